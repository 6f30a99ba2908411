/* The embedding map: the images of a collection as points on a canvas.
 *
 * `window.veneer.map(element, props, trigger, watch)` is called by the `js_on_load` of a `gr.HTML`
 * whose value comes from `veneer.figures.map_value`, as an object or, where there are many points, as
 * its JSON: Gradio watches and copies every item of an object, at each event. It triggers
 * `select` with `{ids: [...], count: n}`: the images nearest to the middle of what was chosen, and
 * how many there are in all. Without a trigger nothing can be selected, and dragging moves the map.
 * `props.picture`, where it is given, tells the address of a point's picture by its id, or null.
 */
(() => {
  "use strict";

  // Far apart from each other, also for colour-blind eyes; 3:1 against the background.
  const LIGHT = [
    "#2563c8", "#f65400", "#a21e42", "#5a0c84", "#00a2c6", "#246066", "#663c00", "#6c1836",
    "#0c9c00", "#c03690", "#a24800", "#423660", "#3030c0", "#a87ef6", "#f64872", "#548a5a",
    "#6c66f6", "#843096", "#6c6cae", "#de6cba",
  ];
  const DARK = [
    "#6fa8ff", "#fca824", "#ea3c6c", "#a842c6", "#96eaf0", "#42c09c", "#ccea00", "#fcccba",
    "#00e47e", "#f060cc", "#de8a66", "#488460", "#3666f0", "#bac0fc", "#f04e00", "#129618",
    "#8a7efc", "#90609c", "#249cc0", "#fc9cc6",
  ];
  const GREY = { light: "#8c8c8c", dark: "#808894" };
  const OTHER = LIGHT.length;
  const NONE = OTHER + 1;
  const SLOTS = NONE + 1;
  const NO_CATEGORY = "–";

  const MOST_IDS = 500;
  const AROUND = 24;
  const MOST_ZOOM = 64;
  const MOST_RADIUS = 6;
  const MARGIN = 18;
  const REACH = { mouse: 14, pen: 14, touch: 26 };
  const LEAST_STEP = 6; // of an arrow key, in pixels; what is nearer is reached by zooming
  const SLACK = 4; // a press that moves less is no drag
  const REST = 60; // milliseconds on a point before its picture is asked for

  const number = new Intl.NumberFormat("en");
  let instances = 0;
  let scrolled = -Infinity;
  window.addEventListener("scroll", () => (scrolled = performance.now()), {
    capture: true,
    passive: true,
  });

  function make(tag, className, parent, text) {
    const node = document.createElement(tag);
    node.className = className;
    if (text !== undefined) node.textContent = text;
    parent?.append(node);
    return node;
  }

  function makeButton(className, parent, text, onClick) {
    const button = make("button", className, parent, text);
    button.type = "button";
    button.addEventListener("click", onClick);
    return button;
  }

  function unpack(text) {
    const bytes = atob(text);
    const numbers = new Uint16Array(bytes.length / 2);
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8);
    }
    return numbers;
  }

  /* Points are drawn in no order, so that no category lies on top of the others. */
  function shuffled(n) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    let state = 1;
    for (let i = n - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 2 ** 32) * (i + 1));
      const kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    return order;
  }

  function clamp(value, low, high) {
    return Math.max(low, Math.min(high, value));
  }

  function slotsOf(names) {
    let next = 0;
    return names.map((name) => (name === NO_CATEGORY ? NONE : Math.min(next++, OTHER)));
  }

  /* What a dot does to the pixels around its middle: how far it covers each, and how far what was
   * there stays. The rim clears, so that dots that overlap can be told apart.
   */
  function stamp(radius, rim, opacity, width) {
    const edge = Math.ceil(radius + rim);
    const [offsets, covers, keeps] = [[], [], []];
    for (let y = -edge; y <= edge; y++) {
      for (let x = -edge; x <= edge; x++) {
        const inside = radius + 0.5 - Math.hypot(x, y);
        if (inside + rim <= 0) continue;
        offsets.push(y * width + x);
        covers.push(clamp(inside, 0, 1) * opacity);
        keeps.push(1 - clamp(inside + rim, 0, 1) * opacity);
      }
    }
    return { offsets, covers, keeps };
  }

  function blend(bytes, at, colour, cover, keep) {
    const stays = (bytes[at + 3] / 255) * keep;
    const alpha = cover + stays;
    const share = alpha > 0 ? cover / alpha : 0;
    bytes[at] += (colour[0] - bytes[at]) * share;
    bytes[at + 1] += (colour[1] - bytes[at + 1]) * share;
    bytes[at + 2] += (colour[2] - bytes[at + 2]) * share;
    bytes[at + 3] = alpha * 255;
  }

  function channels(hex) {
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }

  class EmbeddingMap {
    constructor(element, trigger, picture) {
      this.host = element.querySelector(".veneer-map") ?? element;
      this.trigger = trigger;
      this.addressOf = picture ?? ((id) => `thumbnails/${encodeURIComponent(id)}`);
      this.data = null;
      this.only = new Set();
      this.pointers = new Map();
      this.drag = null;
      this.box = null; // in units of the map, so that it stays where it is when the view moves
      this.current = -1;
      this.open = false;
      this.mode = trigger ? "select" : "move";
      this.view = { x: 0.5, y: 0.5, zoom: 1 };
      this.size = { width: 0, height: 0, ratio: 1 };
      this.frame = 0;
      this.stale = false;
      this.build();
      this.listen();
    }

    get connected() {
      return this.root.isConnected;
    }

    // ---- what there is on the page

    build() {
      this.root = make("div", "veneer-map-root", this.host);
      this.empty = make("p", "veneer-map-empty", this.root, "Nothing to show yet.");
      this.full = make("div", "veneer-map-full", this.root);
      this.full.hidden = true;
      this.buildTools();
      const body = make("div", "veneer-map-body", this.full);
      this.stage = make("div", "veneer-map-stage", body);
      this.base = make("canvas", "veneer-map-canvas", this.stage);
      this.base.setAttribute("aria-hidden", "true");
      this.canvas = make("canvas", "veneer-map-canvas veneer-map-top", this.stage);
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "application");
      this.buildCard();
      this.side = make("div", "veneer-map-side", body);
      this.hint = make("p", "veneer-map-hint", this.full);
      this.note = make("p", "veneer-map-note", this.full);
      this.live = make("div", "veneer-map-live", this.root);
      this.live.setAttribute("aria-live", "polite");
      this.setMode(this.mode);
    }

    buildTools() {
      const tools = make("div", "veneer-map-tools", this.full);
      if (this.trigger) this.buildModes(tools);
      const zoom = make("div", "veneer-map-zoom", tools);
      const closer = (factor) => () => this.zoomAround(factor);
      this.out = makeButton("veneer-map-button", zoom, "−", closer(1 / 1.6));
      this.out.setAttribute("aria-label", "Zoom out");
      this.in = makeButton("veneer-map-button", zoom, "+", closer(1.6));
      this.in.setAttribute("aria-label", "Zoom in");
      this.whole = makeButton("veneer-map-button", zoom, "Reset", () => this.reset());
      this.whole.setAttribute("aria-label", "Reset: show the whole map");
    }

    buildModes(tools) {
      const modes = make("div", "veneer-map-modes", tools);
      modes.setAttribute("role", "radiogroup");
      modes.setAttribute("aria-label", "What dragging does");
      const group = `veneer-map-mode-${++instances}`;
      for (const [mode, text] of [["select", "Select"], ["move", "Move"]]) {
        const label = make("label", "veneer-map-mode", modes);
        const input = make("input", "veneer-map-radio", label);
        input.type = "radio";
        input.name = group;
        input.checked = mode === this.mode;
        input.addEventListener("change", () => this.setMode(mode));
        make("span", "veneer-map-face", label, text);
      }
    }

    buildCard() {
      this.card = make("div", "veneer-map-card", this.stage);
      this.card.setAttribute("aria-hidden", "true");
      this.card.hidden = true;
      this.picture = make("img", "veneer-map-picture", this.card);
      this.picture.alt = "";
      this.picture.addEventListener("error", () => this.picture.removeAttribute("src"));
      this.title = make("div", "veneer-map-title", this.card);
      const category = make("div", "veneer-map-category", this.card);
      this.swatch = make("span", "veneer-map-swatch", category);
      this.category = make("span", "", category);
    }

    buildLegend() {
      const { slots, names, codes, colour } = this.data;
      const counts = new Uint32Array(SLOTS);
      for (const code of codes) counts[slots[code]]++;
      const entries = [];
      names.forEach((name, code) => {
        if (slots[code] !== OTHER) entries.push([slots[code], name]);
      });
      const rare = slots.filter((slot) => slot === OTHER).length;
      if (rare) entries.push([OTHER, `other (${number.format(rare)})`]);

      this.side.replaceChildren();
      const head = make("div", "veneer-map-head", this.side);
      const heading = colour.charAt(0).toUpperCase() + colour.slice(1);
      make("span", "veneer-map-heading", head, heading);
      this.all = makeButton("veneer-map-button veneer-map-all", head, "Show all", () => {
        this.only.clear();
        this.filter();
      });
      const legend = make("div", "veneer-map-legend", this.side);
      legend.setAttribute("role", "group");
      legend.setAttribute("aria-label", `${heading}: show only some`);
      this.entries = entries.map(([slot, name]) => {
        const button = makeButton("veneer-map-entry", legend, "", () => this.toggle(slot));
        const swatch = make("span", "veneer-map-swatch", button);
        make("span", "veneer-map-name", button, name).title = name;
        make("span", "veneer-map-count", button, number.format(counts[slot]));
        return { slot, button, swatch };
      });
    }

    tellHint() {
      const touch = window.matchMedia("(hover: none)").matches;
      const drag = this.mode === "move" ? "Drag to move the map." : "Drag a box to select images.";
      const shift = this.trigger ? "; with Shift held, dragging moves the map" : "";
      this.hint.textContent = touch
        ? `Tap a point to see its image. ${drag} Pinch to zoom.`
        : `${drag} The wheel zooms${shift}. With the keyboard: ${this.keys()}.`;
    }

    keys() {
      const enter = this.trigger ? "Enter selects those around, " : "";
      return `arrows go from image to image, ${enter}+ and − zoom, 0 shows the whole map`;
    }

    // ---- a value

    show(value) {
      const n = value?.ids?.length ?? 0;
      this.empty.hidden = n > 0;
      this.full.hidden = n === 0;
      this.cancel();
      this.close();
      this.current = -1;
      this.only.clear();
      if (n === 0) {
        this.data = null;
        return;
      }
      const moved = this.data?.source !== value.x + value.y;
      this.data = this.read(value, n, moved);
      if (moved) {
        this.box = null;
        this.reset();
      }
      this.note.textContent = value.note ?? "";
      this.note.hidden = !value.note;
      this.canvas.setAttribute(
        "aria-label",
        `Map of ${number.format(n)} images; similar ones are near each other. Keys: ${this.keys()}.`,
      );
      this.buildLegend();
      this.filter();
      this.restyle();
      this.resize();
    }

    read(value, n, moved) {
      const names = Array.from(value.names);
      const data = {
        n,
        // Copies: reading from what is watched for changes is slow.
        ids: Array.from(value.ids),
        titles: Array.from(value.titles),
        codes: unpack(value.codes),
        colour: String(value.colour),
        names,
        slots: slotsOf(names),
        source: value.x + value.y,
      };
      if (!moved) {
        const { x, y, left, top, order, bounds } = this.data;
        return Object.assign(data, { x, y, left, top, order, bounds });
      }
      const [across, up] = [unpack(value.x), unpack(value.y)];
      data.x = Float32Array.from(across, (v) => v / 65535);
      data.y = Float32Array.from(up, (v) => 1 - v / 65535);
      data.left = new Float32Array(n); // on the canvas
      data.top = new Float32Array(n);
      data.order = shuffled(n);
      data.bounds = this.boundsOf(data);
      return data;
    }

    boundsOf({ x, y, n }) {
      let [left, right, top, bottom] = [1, 0, 1, 0];
      for (let i = 0; i < n; i++) {
        left = Math.min(left, x[i]);
        right = Math.max(right, x[i]);
        top = Math.min(top, y[i]);
        bottom = Math.max(bottom, y[i]);
      }
      return { left, right, top, bottom };
    }

    slot(i) {
      return this.data.slots[this.data.codes[i]];
    }

    isShown(i) {
      return this.only.size === 0 || this.only.has(this.slot(i));
    }

    nameOf(i) {
      return this.data.names[this.data.codes[i]];
    }

    toggle(slot) {
      if (!this.only.delete(slot)) this.only.add(slot);
      this.filter();
    }

    filter() {
      for (const { slot, button } of this.entries) {
        button.setAttribute("aria-pressed", String(this.only.has(slot)));
        button.classList.toggle("veneer-map-off", this.only.size > 0 && !this.only.has(slot));
      }
      this.all.hidden = this.only.size === 0;
      if (this.current >= 0 && !this.isShown(this.current)) {
        this.current = -1;
        this.close();
      }
      this.redraw(true);
    }

    // ---- drawing

    resize() {
      const { clientWidth: width, clientHeight: height } = this.stage;
      if (!this.data || !width || !height) return;
      const ratio = window.devicePixelRatio || 1;
      this.size = { width, height, ratio };
      for (const canvas of [this.base, this.canvas]) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      // Around the canvas there is room for dots that lie across its edge.
      const pad = Math.ceil(2 * (MOST_RADIUS + 2) * ratio);
      const image = new ImageData(this.base.width + 2 * pad, this.base.height + 2 * pad);
      this.raster = { image, pad };
      this.draw(true);
    }

    restyle() {
      const dark = this.root.closest(".dark") !== null;
      const style = getComputedStyle(this.root);
      const variable = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
      const grey = dark ? GREY.dark : GREY.light;
      this.colours = [...(dark ? DARK : LIGHT), grey, grey];
      this.inks = this.colours.map(channels);
      this.ink = variable("--body-text-color", dark ? "#f3f4f6" : "#1f2937");
      this.paper = variable("--background-fill-primary", dark ? "#0b0f19" : "#ffffff");
      this.accent = variable("--color-accent", "#2563c8");
      for (const { slot, swatch } of this.entries ?? []) {
        swatch.style.background = this.colours[slot];
      }
      this.redraw(true);
    }

    /* Draws before the next frame; `all` also the points, not only what lies above them. */
    redraw(all) {
      this.stale ||= all;
      this.frame ||= requestAnimationFrame(() => this.draw(this.stale));
    }

    draw(all) {
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      this.stale = false;
      if (!this.data || !this.size.width) return;
      if (all) {
        this.place();
        this.drawPoints();
        this.out.disabled = this.view.zoom <= 1;
        this.in.disabled = this.view.zoom >= MOST_ZOOM;
      }
      this.drawTop();
      if (this.open) this.placeCard();
    }

    scale() {
      const { left, right, top, bottom } = this.data.bounds;
      const { width, height } = this.size;
      const across = Math.max(width - 2 * MARGIN, 1) / Math.max(right - left, 1e-3);
      const down = Math.max(height - 2 * MARGIN, 1) / Math.max(bottom - top, 1e-3);
      return Math.min(across, down) * this.view.zoom;
    }

    place() {
      const { x, y, left, top, n } = this.data;
      const scale = this.scale();
      const toLeft = this.size.width / 2 - this.view.x * scale;
      const toTop = this.size.height / 2 - this.view.y * scale;
      for (let i = 0; i < n; i++) {
        left[i] = x[i] * scale + toLeft;
        top[i] = y[i] * scale + toTop;
      }
    }

    radius() {
      const { n } = this.data;
      const least = n > 20000 ? 1.75 : n > 5000 ? 2.25 : n > 1000 ? 3.25 : 4.25;
      return Math.min(least * this.view.zoom ** 0.25, MOST_RADIUS);
    }

    /* Pixels are set one by one: without a GPU, the canvas's own drawing takes far longer. */
    drawPoints() {
      const radius = this.radius() * this.size.ratio;
      const rim = radius < 3 ? 0 : radius / 7;
      const { image, pad } = this.raster;
      image.data.fill(0);
      if (this.only.size > 0) this.drawDots(false, stamp(radius, 0, 0.12, image.width));
      this.drawDots(true, stamp(radius, rim, 1, image.width));
      this.base.getContext("2d").putImageData(image, -pad, -pad);
    }

    drawDots(shown, { offsets, covers, keeps }) {
      const { left, top, order, n } = this.data;
      const { ratio } = this.size;
      const { image, pad } = this.raster;
      const { data: bytes, width, height } = image;
      for (let k = 0; k < n; k++) {
        const i = order[k];
        if (this.isShown(i) !== shown) continue;
        const x = Math.round(left[i] * ratio) + pad;
        const y = Math.round(top[i] * ratio) + pad;
        if (x < pad / 2 || y < pad / 2 || x >= width - pad / 2 || y >= height - pad / 2) continue;
        const colour = this.inks[shown ? this.slot(i) : OTHER];
        for (let j = 0; j < offsets.length; j++) {
          blend(bytes, (y * width + x + offsets[j]) * 4, colour, covers[j], keeps[j]);
        }
      }
    }

    drawTop() {
      const { width, height, ratio } = this.size;
      const context = this.canvas.getContext("2d");
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      if (this.box) this.drawBox(context);
      if (this.open) this.drawRing(context);
    }

    drawBox(context) {
      const { left, top, right, bottom } = this.boxOnCanvas();
      context.strokeStyle = context.fillStyle = this.accent;
      context.globalAlpha = 0.1;
      context.fillRect(left, top, right - left, bottom - top);
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.strokeRect(left, top, right - left, bottom - top);
    }

    drawRing(context) {
      const { left, top } = this.data;
      const i = this.current;
      context.beginPath();
      context.arc(left[i], top[i], this.radius() + 1, 0, 2 * Math.PI);
      context.fillStyle = this.colours[this.slot(i)];
      context.fill();
      for (const [colour, more, width] of [[this.paper, 2.5, 3], [this.ink, 4, 2]]) {
        context.beginPath();
        context.arc(left[i], top[i], this.radius() + more, 0, 2 * Math.PI);
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.stroke();
      }
    }

    // ---- the view

    reset() {
      const { left, right, top, bottom } = this.data.bounds;
      this.view = { x: (left + right) / 2, y: (top + bottom) / 2, zoom: 1 };
      this.redraw(true);
    }

    /* Zooms so that what is at a place of the canvas stays there. */
    zoomAt(factor, x, y) {
      const before = this.scale();
      this.view.zoom = clamp(this.view.zoom * factor, 1, MOST_ZOOM);
      const change = 1 / before - 1 / this.scale();
      this.view.x += (x - this.size.width / 2) * change;
      this.view.y += (y - this.size.height / 2) * change;
      this.keepInView();
    }

    /* Around the point that is looked at, else around the middle. */
    zoomAround(factor) {
      const i = this.open ? this.current : -1;
      if (i >= 0) this.zoomAt(factor, this.data.left[i], this.data.top[i]);
      else this.zoomAt(factor, this.size.width / 2, this.size.height / 2);
    }

    pan(x, y) {
      this.view.x -= x / this.scale();
      this.view.y -= y / this.scale();
      this.keepInView();
    }

    /* At the whole view nothing moves; nearer, the middle stays within the points. */
    keepInView() {
      const { left, right, top, bottom } = this.data.bounds;
      const free = 1 - 1 / this.view.zoom;
      const [x, y] = [(left + right) / 2, (top + bottom) / 2];
      const across = Math.max(right - left, this.size.width / this.scale()) * 0.5 * free;
      const down = Math.max(bottom - top, this.size.height / this.scale()) * 0.5 * free;
      this.view.x = clamp(this.view.x, x - across, x + across);
      this.view.y = clamp(this.view.y, y - down, y + down);
      this.redraw(true);
    }

    // ---- finding points; all are gone through, which takes 0.1 ms for 50,000

    nearest(x, y, reach) {
      const { left, top, n } = this.data;
      let [best, least] = [-1, reach * reach];
      for (let i = 0; i < n; i++) {
        const [across, down] = [left[i] - x, top[i] - y];
        const distance = across * across + down * down;
        if (distance <= least && this.isShown(i)) [best, least] = [i, distance];
      }
      return best;
    }

    /* The nearest point within 45 degrees of a direction. */
    next(from, across, down) {
      const { left, top, n } = this.data;
      let [best, least] = [-1, Infinity];
      let [close, closest] = [-1, -1]; // the farthest of those that are nearer than a step
      for (let i = 0; i < n; i++) {
        const [x, y] = [left[i] - left[from], top[i] - top[from]];
        const along = x * across + y * down;
        const aside = Math.abs(x * down - y * across);
        if (along <= 0 || aside > along || !this.isShown(i)) continue;
        const distance = along * along + 3 * aside * aside;
        if (along < LEAST_STEP) {
          if (along > closest) [close, closest] = [i, along];
        } else if (distance < least) {
          [best, least] = [i, distance];
        }
      }
      return best >= 0 ? best : close;
    }

    /* Shown points for which `within` holds, from the one nearest to a place outwards. */
    outwards(x, y, within) {
      const { left, top, n } = this.data;
      const distances = new Float32Array(n);
      const found = [];
      for (let i = 0; i < n; i++) {
        if (!this.isShown(i) || !within(left[i], top[i])) continue;
        distances[i] = (left[i] - x) ** 2 + (top[i] - y) ** 2;
        found.push(i);
      }
      return found.sort((a, b) => distances[a] - distances[b]);
    }

    // ---- selecting

    boxOnCanvas() {
      const { x0, y0, x1, y1 } = this.box;
      const scale = this.scale();
      const toLeft = this.size.width / 2 - this.view.x * scale;
      const toTop = this.size.height / 2 - this.view.y * scale;
      return {
        left: Math.min(x0, x1) * scale + toLeft,
        right: Math.max(x0, x1) * scale + toLeft,
        top: Math.min(y0, y1) * scale + toTop,
        bottom: Math.max(y0, y1) * scale + toTop,
      };
    }

    setBox({ fromX, fromY, x, y }) {
      const scale = this.scale();
      const toX = (left) => (left - this.size.width / 2) / scale + this.view.x;
      const toY = (top) => (top - this.size.height / 2) / scale + this.view.y;
      this.box = { x0: toX(fromX), y0: toY(fromY), x1: toX(x), y1: toY(y) };
      this.redraw(false);
    }

    selectBox() {
      const { left, right, top, bottom } = this.boxOnCanvas();
      const within = (x, y) => x >= left && x <= right && y >= top && y <= bottom;
      this.select(this.outwards((left + right) / 2, (top + bottom) / 2, within), MOST_IDS);
    }

    selectAround() {
      const { left, top } = this.data;
      const { width, height } = this.size;
      const within = (x, y) => x >= 0 && x <= width && y >= 0 && y <= height;
      const found = this.outwards(left[this.current], top[this.current], within);
      this.box = null;
      this.redraw(false);
      this.select(found.slice(0, AROUND), AROUND);
    }

    select(found, most) {
      if (found.length === 0) {
        this.tell("No images there.");
        return;
      }
      const ids = found.slice(0, most).map((i) => this.data.ids[i]);
      const noun = found.length === 1 ? "image" : "images";
      this.tell(`${number.format(found.length)} ${noun} selected.`);
      this.trigger("select", { ids, count: found.length });
    }

    tell(text) {
      this.live.textContent = text;
    }

    // ---- the picture beside a point

    look(i) {
      if (i < 0) {
        this.close();
        return;
      }
      if (this.open && this.current === i) return;
      this.current = i;
      this.open = true;
      this.title.textContent = this.data.titles[i];
      this.category.textContent = this.nameOf(i);
      this.swatch.style.background = this.colours[this.slot(i)];
      this.card.hidden = false;
      const address = this.addressOf(this.data.ids[i]);
      this.picture.removeAttribute("src");
      this.picture.hidden = address === null;
      clearTimeout(this.waiting);
      if (address !== null) this.waiting = setTimeout(() => (this.picture.src = address), REST);
      this.redraw(false);
    }

    close() {
      clearTimeout(this.waiting);
      this.open = false;
      this.card.hidden = true;
      this.redraw(false);
    }

    placeCard() {
      const [x, y] = [this.data.left[this.current], this.data.top[this.current]];
      const { width, height } = this.size;
      this.card.hidden = x < 0 || y < 0 || x > width || y > height;
      const { offsetWidth, offsetHeight } = this.card;
      const stage = this.stage.getBoundingClientRect();
      const page = document.documentElement;
      const gap = 14;
      const beside = (at, length, start, room) => {
        const after = at + gap;
        const fits = start + after + length <= room - 4;
        return clamp(fits ? after : at - gap - length, 4 - start, room - 4 - start - length);
      };
      const left = beside(x, offsetWidth, stage.left, page.clientWidth);
      let top = beside(y, offsetHeight, stage.top, page.clientHeight);
      // Where there is no room beside the point, above or below it is better than on it.
      const covers = left < x + gap / 2 && left + offsetWidth > x - gap / 2;
      if (covers && top < y && top + offsetHeight > y) {
        top = y + stage.top > page.clientHeight / 2 ? y - gap - offsetHeight : y + gap;
      }
      this.card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    }

    // ---- mouse, fingers and keys

    listen() {
      const { canvas } = this;
      canvas.addEventListener("pointerdown", (event) => this.press(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      canvas.addEventListener("pointerup", (event) => this.release(event));
      canvas.addEventListener("pointercancel", (event) => this.release(event, true));
      canvas.addEventListener("pointerleave", (event) => this.leave(event));
      canvas.addEventListener("wheel", (event) => this.turn(event), { passive: false });
      canvas.addEventListener("keydown", (event) => this.key(event));
      canvas.addEventListener("blur", () => this.close());
      new ResizeObserver(() => this.resize()).observe(this.stage);
      const theme = new MutationObserver(() => {
        if (!this.connected) theme.disconnect();
        else if (this.data) this.restyle();
      });
      theme.observe(document.body, { attributeFilter: ["class"] });
    }

    setMode(mode) {
      this.mode = mode;
      this.stage.classList.toggle("veneer-map-moving", mode === "move");
      this.tellHint();
    }

    press(event) {
      if (event.button > 1) return;
      if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
      const [x, y] = [event.offsetX, event.offsetY];
      this.canvas.focus({ preventScroll: true });
      this.canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, { x, y });
      if (this.pointers.size === 2) {
        this.cancel();
        this.drag = { kind: "pinch", ...this.pinch() };
      } else if (this.pointers.size === 1) {
        const moves = this.mode === "move" || event.button === 1 || event.shiftKey;
        this.drag = { kind: moves ? "move" : "box", fromX: x, fromY: y, x, y, far: false };
      }
    }

    move(event) {
      const [x, y] = [event.offsetX, event.offsetY];
      if (!this.pointers.has(event.pointerId)) {
        if (event.pointerType !== "touch") this.look(this.nearest(x, y, REACH.mouse));
        return;
      }
      this.pointers.set(event.pointerId, { x, y });
      const { drag } = this;
      if (drag?.kind === "pinch") this.movePinch(drag);
      else if (drag) this.moveDrag(drag, x, y);
    }

    moveDrag(drag, x, y) {
      const [across, down] = [x - drag.x, y - drag.y];
      if (!drag.far && Math.hypot(x - drag.fromX, y - drag.fromY) < SLACK) return;
      if (!drag.far) this.close();
      Object.assign(drag, { x, y, far: true });
      if (drag.kind === "move") this.pan(across, down);
      else this.setBox(drag);
    }

    pinch() {
      const [a, b] = this.pointers.values();
      return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
    }

    movePinch(drag) {
      const now = this.pinch();
      this.pan(now.x - drag.x, now.y - drag.y);
      this.zoomAt(now.apart / Math.max(drag.apart, 1), now.x, now.y);
      Object.assign(drag, now);
    }

    release(event, cancelled = false) {
      const { drag } = this;
      this.pointers.delete(event.pointerId);
      if (!drag) return;
      if (cancelled) this.cancel();
      this.drag = null;
      if (cancelled || drag.kind === "pinch") return;
      if (!drag.far) this.look(this.nearest(drag.x, drag.y, REACH[event.pointerType] ?? 14));
      else if (drag.kind === "box") this.selectBox();
    }

    /* A finger leaves when it is lifted, and then the picture is to stay. */
    leave(event) {
      if (!this.drag && event.pointerType !== "touch") this.close();
    }

    /* Also of a box that stands from before. */
    cancel() {
      this.drag = null;
      this.box = null;
      this.redraw(false);
    }

    turn(event) {
      const pixels = event.deltaMode === 1 ? event.deltaY * 18 : event.deltaY;
      if (!pixels) return;
      // The wheel is the page's while the page scrolls, and where the map cannot get smaller.
      const scrolling = performance.now() - scrolled < 250;
      if (!event.ctrlKey && (scrolling || (pixels > 0 && this.view.zoom <= 1))) return;
      event.preventDefault();
      const strength = event.ctrlKey ? 0.01 : 0.002;
      this.zoomAt(Math.exp(-clamp(pixels, -300, 300) * strength), event.offsetX, event.offsetY);
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        ArrowLeft: () => this.step(-1, 0),
        ArrowRight: () => this.step(1, 0),
        ArrowUp: () => this.step(0, -1),
        ArrowDown: () => this.step(0, 1),
        Enter: () => this.open && this.trigger && this.selectAround(),
        Escape: () => {
          this.cancel();
          this.close();
        },
        "+": () => this.zoomAround(1.6),
        "=": () => this.zoomAround(1.6),
        "-": () => this.zoomAround(1 / 1.6),
        0: () => this.reset(),
      };
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    }

    step(across, down) {
      const { width, height } = this.size;
      const i = this.open
        ? this.next(this.current, across, down)
        : this.current >= 0
          ? this.current
          : this.nearest(width / 2, height / 2, Infinity);
      if (i < 0) return;
      this.bringIntoView(i);
      this.look(i);
      this.tell(`${this.data.titles[i]}, ${this.nameOf(i)}`);
    }

    bringIntoView(i) {
      const { x, y, left, top } = this.data;
      const { width, height } = this.size;
      const inside = left[i] >= 0 && top[i] >= 0 && left[i] <= width && top[i] <= height;
      if (inside) return;
      Object.assign(this.view, { x: x[i], y: y[i] });
      this.keepInView();
    }
  }

  window.veneer = window.veneer || {};
  window.veneer.map = (element, props, trigger, watch) => {
    const begin = () => new EmbeddingMap(element, trigger, props.picture);
    let map = begin();
    const show = () => {
      // A template that renders anew takes away what was built inside.
      if (!map.connected) map = begin();
      const { value } = props;
      map.show(value && typeof value === "string" ? JSON.parse(value) : value);
    };
    watch("value", show);
    show();
  };
})();
