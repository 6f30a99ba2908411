// Groups of images that are the same, or nearly, and what becomes of each.
(() => {
  window.veneer = window.veneer || {};

  const KINDS = { kept: "suggested to keep", exact: "byte for byte the same", near: "nearly the same" };

  window.veneer.groups = (element, props, trigger, watch, server) => {
    const { make } = window.veneer;

    function draw() {
      const root = element.querySelector(".veneer-groups");
      const value = props.value;
      if (!root) return;
      root.replaceChildren();
      if (!value) return;
      const status = make("p", "veneer-status", value.status);
      status.setAttribute("role", "status");
      root.append(status);
      for (const group of value.groups) root.append(groupOf(group, value.threshold, status));
    }

    function groupOf(group, threshold, status) {
      const section = make("section", "veneer-group");
      const title = make("h4", "", `Group ${group.group}: ${group.images.length} images`);
      for (const warning of group.warnings) title.append(make("span", "veneer-warning", warning));
      const list = make("ul", "veneer-twins");
      for (const image of group.images) list.append(itemOf(image, threshold, status));
      section.append(title, list);
      return section;
    }

    function itemOf(image, threshold, status) {
      const item = make("li");
      const link = make("a", "veneer-mount");
      link.href = `pictures/${image.id}`;
      link.target = "_blank";
      const picture = make("img");
      picture.loading = "lazy";
      picture.src = `thumbnails/${image.id}`;
      picture.alt = image.label || image.path;
      link.append(picture);
      const kind = image.kind === "near" ? `${KINDS.near}, ${image.cosine.toFixed(3)}` : KINDS[image.kind];
      const path = make("p", "", image.path);
      path.title = image.path;
      const keep = make("button", "veneer-keep");
      keep.type = "button";

      function mark(kept) {
        item.classList.toggle("dropped", !kept);
        keep.setAttribute("aria-pressed", String(kept));
        keep.textContent = kept ? "Keep" : "Drop";
        keep.setAttribute("aria-label", `Keep ${image.path}`);
      }
      keep.addEventListener("click", async () => {
        const kept = keep.getAttribute("aria-pressed") !== "true";
        keep.disabled = true;
        try {
          const answer = await server.decide({ id: image.id, keep: kept, threshold });
          if (answer.error) throw new Error(answer.error);
          mark(kept);
          image.keep = kept;
          status.textContent = answer.status;
        } catch (error) {
          status.textContent = `It was not written down: ${error.message}`;
        }
        keep.disabled = false;
        keep.focus();
      });
      mark(image.keep);
      item.append(link, make("p", "", image.label || "–"), path, make("p", "", image.told), make("p", "", kind), keep);
      return item;
    }

    draw();
    watch("value", draw);
  };
})();
