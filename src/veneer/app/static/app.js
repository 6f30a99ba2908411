// Small things of the whole page.
(() => {
  window.veneer = window.veneer || {};

  // All texts come from files and file names: they are set as text, never as HTML.
  window.veneer.make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined && text !== null) made.textContent = text;
    return made;
  };

  // On a phone what is found comes first; what a search is made of opens at a touch. Called when the
  // first results are there: before, the page does not hear a click.
  window.veneer.begin = () => {
    window.veneer.begin = () => {};
    if (!matchMedia("(max-width: 700px)").matches) return;
    for (const button of document.querySelectorAll(".veneer-closed-on-phones > button.open")) {
      button.click();
    }
  };

  // Suggestions for the prompt box, as browsers know them.
  window.veneer.suggest = (words) => {
    const box = document.querySelector("#prompt input, #prompt textarea");
    if (!box || box.tagName !== "INPUT" || !words) return;
    let list = document.getElementById("veneer-words");
    if (!list) {
      list = document.createElement("datalist");
      list.id = "veneer-words";
      document.body.append(list);
      box.setAttribute("list", list.id);
      box.setAttribute("autocomplete", "off");
    }
    list.replaceChildren(
      ...words.map((word) => {
        const option = document.createElement("option");
        option.value = word;
        return option;
      }),
    );
  };
})();
