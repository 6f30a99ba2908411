// The pictures that a search found, and a closer look at one of them.
(() => {
  window.veneer = window.veneer || {};

  const make = (...given) => window.veneer.make(...given);
  const described = (result) => result.label || result.path || result.id.slice(0, 12);

  function tile(result, open) {
    const button = make("button", "veneer-tile");
    button.type = "button";
    const picture = make("img");
    picture.loading = "lazy";
    picture.decoding = "async";
    picture.src = `thumbnails/${result.id}`;
    picture.alt = "";
    const mount = make("span", "veneer-mount");
    mount.append(picture);
    const score = make("span", "veneer-score");
    if (result.score !== undefined) score.textContent = result.score.toFixed(3);
    const label = make("span", "veneer-label", result.label || "–");
    const rank = result.rank ? `Result ${result.rank}` : "Picture";
    const told = result.score === undefined ? "" : `, score ${result.score.toFixed(3)}`;
    button.setAttribute("aria-label", `${rank}: ${described(result)}${told}. Look closer`);
    button.append(mount, score, label);
    button.addEventListener("click", open);
    return button;
  }

  function facts(result) {
    const list = make("dl", "veneer-facts");
    for (const [name, value] of result.facts) {
      list.append(make("dt", "", name), make("dd", "", value));
    }
    return list;
  }

  function closerLook(trigger, searches) {
    const dialog = make("dialog", "veneer-look");
    dialog.setAttribute("aria-label", "Picture");
    let results = [];
    let at = 0;

    function show() {
      const result = results[at];
      const picture = make("img");
      picture.src = `pictures/${result.id}`;
      picture.alt = described(result);
      const mount = make("div", "veneer-look-picture");
      mount.append(picture);

      const side = make("div", "veneer-look-side");
      side.append(make("h3", "", described(result)), facts(result));
      const actions = make("div", "veneer-actions");
      const like = make("a", "veneer-button veneer-primary", "More like this");
      like.href = `?like=${result.id}`;
      like.addEventListener("click", (event) => {
        if (!searches || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        dialog.close();
        trigger("select", { id: result.id });
      });
      const load = make("a", "veneer-button", "Download");
      load.href = `pictures/${result.id}?download=true`;
      load.download = "";
      actions.append(like, load);
      side.append(actions);

      const bar = make("div", "veneer-look-bar");
      const step = (name, by) => {
        const button = make("button", "veneer-button", name);
        button.type = "button";
        button.disabled = !results[at + by];
        button.addEventListener("click", () => move(by));
        return button;
      };
      const close = make("button", "veneer-button", "Close");
      close.type = "button";
      close.addEventListener("click", () => dialog.close());
      bar.append(step("Previous", -1), make("span", "", `${at + 1} of ${results.length}`), step("Next", 1), close);
      dialog.replaceChildren(bar, mount, side);
      close.focus();
    }

    function move(by) {
      if (results[at + by]) {
        at += by;
        show();
      }
    }

    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") move(1);
      if (event.key === "ArrowLeft") move(-1);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // beside the picture
    });
    document.body.append(dialog); // above everything, whatever the page does with the element

    return (all, number) => {
      results = all;
      at = number;
      show();
      dialog.showModal();
    };
  }

  // The search stands in the address; what Gradio reads from there (its theme) stays.
  function tellAddress(address) {
    const query = new URLSearchParams(address);
    for (const [name, given] of new URLSearchParams(location.search)) {
      if (name.startsWith("__")) query.set(name, given);
    }
    history.replaceState(history.state, "", `?${query}`);
  }

  function saving(word) {
    const actions = make("p", "veneer-actions");
    for (const [name, suffix] of [["Contact sheet (PNG)", "png"], ["Table (CSV)", "csv"]]) {
      const link = make("a", "veneer-button", name);
      link.href = `results/${word}.${suffix}`;
      link.download = "";
      actions.append(link);
    }
    return actions;
  }

  window.veneer.grid = (element, props, trigger, watch) => {
    const look = closerLook(trigger, props.searches);

    function draw() {
      const root = element.querySelector(".veneer-grid");
      const value = props.value;
      if (!root) return;
      root.replaceChildren();
      if (!value) return;
      window.veneer.begin?.();
      const results = value.results || [];
      const status = make("p", "veneer-status", value.status || "");
      status.setAttribute("role", "status");
      root.append(status);
      if (value.notice) root.append(make("p", "veneer-notice", value.notice));
      const list = make("ul", "veneer-tiles");
      results.forEach((result, number) => {
        const item = make("li");
        item.append(tile(result, () => look(results, number)));
        list.append(item);
      });
      root.append(list);
      if (value.saved) root.append(saving(value.saved));
      if (value.address !== undefined) tellAddress(value.address);
    }

    draw();
    watch("value", draw);
  };
})();
