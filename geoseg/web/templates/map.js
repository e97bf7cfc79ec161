// A map of one scene: pan, zoom and layers over its picture in web Mercator. Nothing is fetched.
//
// <geoseg-map data-view='{"id": "1f", "size": [width, height], "metres": 0.4, "scene": "data:..."}'>
// Where the reader was looking stays while the id does. Coordinates are pixels of the picture:
// screen = picture * zoom + shift.
(() => {
  const looks = new Map(); // id -> {zoom, x, y, moved, ground, shown}
  const pictures = new Map(); // source -> image, so that what came before does not flicker
  const COLOUR = { footprints: "#ffb000", truth: "#35b5ff" };
  const GROUNDS = { scene: "Scene", probability: "Probability", mask: "Mask" };

  // In a shadow root: the page compares its own elements with its template and would empty this one
  const STYLE = `
    :host { display: block; }
    .controls { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; min-height: 36px; margin-bottom: 6px; }
    .controls label { display: inline-flex; gap: 6px; align-items: center; cursor: pointer; white-space: nowrap; }
    .buttons { margin-left: auto; display: inline-flex; gap: 4px; }
    .buttons button { width: 34px; height: 34px; border: 1px solid var(--border-color-primary); border-radius: 6px;
      background: var(--background-fill-secondary); font-size: 17px; line-height: 1; cursor: pointer; }
    .panes { display: flex; gap: 8px; }
    .panes figure { position: relative; flex: 1; min-width: 0; margin: 0; }
    .panes canvas { width: 100%; max-height: 70vh; display: block; border-radius: 8px; touch-action: none;
      background: repeating-linear-gradient(45deg, #e0e0e0 0 6px, #ececec 6px 12px); cursor: grab; }
    .panes canvas:focus-visible { outline: 2px solid var(--color-accent); }
    .panes figcaption { position: absolute; top: 8px; left: 8px; padding: 1px 8px; border-radius: 6px; font-size: 13px;
      color: #222; background: rgba(255, 255, 255, 0.85); pointer-events: none; }
    .note { margin-top: 6px; font-size: 14px; }
    @media (max-width: 700px) {
      .panes { flex-direction: column; }
      .panes canvas { max-height: 46vh; }
    }
  `;

  const element = (tag, attributes = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };

  const picture = (source) => {
    if (!pictures.has(source)) pictures.set(source, Object.assign(new Image(), { src: source }));
    return pictures.get(source);
  };

  const outline = (rings) => {
    const path = new Path2D();
    for (const ring of rings) {
      for (let i = 0; i < ring.length; i += 2) {
        i ? path.lineTo(ring[i], ring[i + 1]) : path.moveTo(ring[i], ring[i + 1]);
      }
      path.closePath();
    }
    return path;
  };

  // 1, 2 or 5 times a power of ten, the largest below `length`
  const round = (length) => {
    const power = 10 ** Math.floor(Math.log10(length));
    return [5, 2, 1].find((n) => n * power <= length) * power;
  };

  class GeosegMap extends HTMLElement {
    static observedAttributes = ["data-view"];

    attributeChangedCallback() {
      if (this.isConnected) this.connectedCallback();
    }

    connectedCallback() {
      this.view = JSON.parse(this.dataset.view);
      this.images = {};
      for (const name of ["scene", "probability", "truthMask"]) {
        if (!this.view[name]) continue;
        this.images[name] = picture(this.view[name]);
        this.images[name].addEventListener("load", () => this.draw());
      }
      this.paths = {};
      for (const name of ["footprints", "truth"]) {
        if (this.view[name]) this.paths[name] = this.view[name].rings.map(outline);
      }
      this.build();
      this.watcher?.disconnect();
      this.watcher = new ResizeObserver(() => this.resize());
      this.panes.forEach((pane) => this.watcher.observe(pane.canvas));
    }

    disconnectedCallback() {
      this.watcher?.disconnect();
    }

    get look() {
      if (!looks.has(this.view.id)) {
        looks.clear(); // another scene
        pictures.clear();
        looks.set(this.view.id, { ground: "scene", shown: { footprints: true, truth: true } });
      }
      return looks.get(this.view.id);
    }

    build() {
      const hasTruth = Boolean(this.paths.truth || this.images.truthMask);
      this.panes = [this.pane(this.paths.footprints ? "Found" : "Scene", "footprints")];
      if (hasTruth) this.panes.push(this.pane("Truth", "truth"));
      this.note = element("div", { className: "note", hidden: true });
      const panes = element("div", { className: "panes" }, ...this.panes.map((p) => p.frame));
      const style = element("style", { textContent: STYLE });
      this.shadowRoot ?? this.attachShadow({ mode: "open" });
      this.shadowRoot.replaceChildren(style, this.controls(), panes, this.note);
    }

    controls() {
      const bar = element("div", { className: "controls" });
      const available = { scene: this.images.scene, probability: this.images.probability,
        mask: this.paths.footprints };
      for (const [name, label] of Object.entries(GROUNDS)) {
        if (!available[name]) continue;
        const input = element("input", { type: "radio", name: "ground", value: name,
          checked: this.look.ground === name });
        input.onchange = () => { this.look.ground = name; this.draw(); };
        bar.append(element("label", {}, input, label));
      }
      if (this.paths.footprints) {
        const input = element("input", { type: "checkbox", checked: this.look.shown.footprints });
        input.onchange = () => { this.look.shown.footprints = input.checked; this.draw(); };
        bar.append(element("label", {}, input, `Footprints (${this.paths.footprints.length})`));
      }
      const button = (text, title, act) => {
        const made = element("button", { type: "button", textContent: text, title });
        made.onclick = act;
        made.setAttribute("aria-label", title);
        return made;
      };
      bar.append(element("span", { className: "buttons" },
        button("+", "Zoom in", () => this.zoomAround(1.5)),
        button("−", "Zoom out", () => this.zoomAround(1 / 1.5)),
        button("⤢", "Show the whole scene", () => this.fit())));
      return bar;
    }

    pane(title, layer) {
      const canvas = element("canvas", { tabIndex: 0 });
      canvas.style.aspectRatio = this.view.size.join(" / ");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Map: ${title}`);
      const frame = element("figure", {}, canvas, element("figcaption", { textContent: title }));
      this.listen(canvas, layer);
      return { canvas, layer, frame };
    }

    listen(canvas, layer) {
      const held = new Map(); // fingers or the mouse, by their number
      let moved = 0;
      canvas.onpointerdown = (event) => {
        canvas.setPointerCapture(event.pointerId);
        held.set(event.pointerId, event);
        if (held.size === 1) moved = 0;
      };
      canvas.onpointermove = (event) => {
        const before = held.get(event.pointerId);
        if (!before) return;
        const look = this.look;
        const dx = event.offsetX - before.offsetX;
        const dy = event.offsetY - before.offsetY;
        moved += Math.hypot(dx, dy);
        const other = [...held.values()].find((each) => each.pointerId !== event.pointerId);
        if (other) {
          const apart = (e) => Math.hypot(e.offsetX - other.offsetX, e.offsetY - other.offsetY);
          const middle = [(event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2];
          this.zoomAround(apart(event) / Math.max(1, apart(before)), ...middle);
        }
        look.x += dx / held.size;
        look.y += dy / held.size;
        look.moved = true;
        held.set(event.pointerId, event);
        this.draw();
      };
      canvas.onpointerup = canvas.onpointercancel = (event) => {
        held.delete(event.pointerId);
        if (moved < 5 && event.type === "pointerup") this.describe(event, layer);
      };
      canvas.onwheel = (event) => {
        event.preventDefault();
        this.zoomAround(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
      };
      canvas.onkeydown = (event) => this.key(event);
    }

    key(event) {
      const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (event.key === "+" || event.key === "=") this.zoomAround(1.5);
      else if (event.key === "-") this.zoomAround(1 / 1.5);
      else if (event.key === "0") this.fit();
      else if (steps[event.key]) {
        this.look.x += steps[event.key][0];
        this.look.y += steps[event.key][1];
        this.look.moved = true;
        this.draw();
      } else return;
      event.preventDefault();
    }

    resize() {
      for (const { canvas } of this.panes) {
        const ratio = window.devicePixelRatio || 1;
        canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
        canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
      }
      // a reader who has gone somewhere stays there
      if (this.look.moved) this.draw();
      else this.fit();
    }

    fit() {
      const { clientWidth, clientHeight } = this.panes[0].canvas;
      const [width, height] = this.view.size;
      const zoom = Math.min(clientWidth / width, clientHeight / height);
      Object.assign(this.look, { zoom, moved: false,
        x: (clientWidth - width * zoom) / 2, y: (clientHeight - height * zoom) / 2 });
      this.draw();
    }

    zoomAround(factor, x, y) {
      const { clientWidth, clientHeight } = this.panes[0].canvas;
      x ??= clientWidth / 2;
      y ??= clientHeight / 2;
      const look = this.look;
      const zoom = Math.min(64, Math.max(0.02, look.zoom * factor));
      look.x = x - ((x - look.x) * zoom) / look.zoom;
      look.y = y - ((y - look.y) * zoom) / look.zoom;
      look.zoom = zoom;
      look.moved = true;
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        for (const pane of this.panes) this.paint(pane);
      });
    }

    paint({ canvas, layer }) {
      const look = this.look;
      const ratio = canvas.width / Math.max(1, canvas.clientWidth);
      const ink = canvas.getContext("2d");
      ink.setTransform(1, 0, 0, 1, 0, 0);
      ink.clearRect(0, 0, canvas.width, canvas.height);
      ink.setTransform(look.zoom * ratio, 0, 0, look.zoom * ratio, look.x * ratio, look.y * ratio);
      ink.imageSmoothingEnabled = look.zoom * ratio < 4;
      const paths = this.paths[layer] ?? [];
      if (look.ground === "mask") {
        ink.fillStyle = "#000";
        ink.fillRect(0, 0, ...this.view.size);
        ink.fillStyle = "#fff";
        for (const path of paths) ink.fill(path, "evenodd");
        if (layer === "truth") this.image(ink, "truthMask");
      } else {
        this.image(ink, layer === "truth" || !this.images[look.ground] ? "scene" : look.ground);
        if (layer === "truth" && this.images.truthMask) {
          ink.globalAlpha = 0.5;
          this.image(ink, "truthMask");
          ink.globalAlpha = 1;
        }
      }
      if (look.shown[layer]) this.outlines(ink, paths, COLOUR[layer], look.zoom);
      ink.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.scale(ink, canvas.clientHeight);
    }

    image(ink, name) {
      const image = this.images[name];
      if (image?.complete) ink.drawImage(image, 0, 0, ...this.view.size);
    }

    outlines(ink, paths, colour, zoom) {
      ink.strokeStyle = colour;
      ink.fillStyle = colour + "26";
      ink.lineWidth = Math.min(2, Math.max(1.1, 2 * zoom)) / zoom; // thin where all is small
      for (const path of paths) {
        ink.fill(path, "evenodd");
        ink.stroke(path);
      }
    }

    scale(ink, height) {
      if (!this.view.metres) return;
      const metre = this.look.zoom / this.view.metres; // on the screen
      const length = round(120 / metre);
      ink.font = "12px system-ui, sans-serif";
      ink.fillStyle = "rgba(255, 255, 255, 0.85)";
      ink.fillRect(8, height - 34, length * metre + 12, 26);
      ink.fillStyle = ink.strokeStyle = "#222";
      ink.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, 14, height - 20);
      ink.lineWidth = 2;
      ink.strokeRect(14, height - 14, length * metre, 0);
    }

    describe(event, layer) {
      const look = this.look;
      const ink = event.target.getContext("2d");
      ink.setTransform(1, 0, 0, 1, 0, 0);
      const x = (event.offsetX - look.x) / look.zoom;
      const y = (event.offsetY - look.y) / look.zoom;
      const number = (this.paths[layer] ?? []).findIndex((p) => ink.isPointInPath(p, x, y, "evenodd"));
      const data = this.view[layer] ?? {};
      const area = data.area_m2 ?? data.area_px;
      const facts = number < 0 ? [] : [
        `Building ${number + 1}`,
        area && `${area[number].toFixed(1)} ${data.area_m2 ? "m²" : "square pixels"}`,
        data.confidence && `confidence ${data.confidence[number].toFixed(2)}`,
      ];
      this.note.textContent = facts.filter(Boolean).join(" · ");
      this.note.hidden = !facts.length;
    }
  }

  if (!customElements.get("geoseg-map")) customElements.define("geoseg-map", GeosegMap);
})();
