// Small things of the whole page.
(() => {
  window.veneer = window.veneer || {};

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
