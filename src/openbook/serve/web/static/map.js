// The page *Map*: an element that shows all chunks of a library as points (`<openbook-map data-library="…">`).
//
// It talks to `/api/map` of its own server and to nobody else. Text from documents is only ever set as
// text. When a point or a hit is opened, the element sends the event `openbook-open` with the document's
// number and place; unless somebody prevents it, the document's page is opened.

import { PointCanvas } from "./map_canvas.js";
import { chunkList, icon, make, number, percent, segmented } from "./map_parts.js";

const SLOTS = 12, OTHER = 12; // colours, and the slot of what has none of its own
const POLL = 500, POLL_OUTDATED = 4000; // milliseconds
const AT_ONCE = 20000; // up to so many points, t-SNE begins by itself
const LISTED = 60; // documents in the legend
const KEPT_CHUNKS = 500;
const FEW = 200; // chosen points that get a ring, or nobody would find them among all the faint ones

class OpenbookMap extends HTMLElement {
  connectedCallback() {
    if (this.started) return;
    this.started = true;
    this.library = this.dataset.library || "";
    this.named = this.dataset.named === "true";
    this.method = "pca";
    this.dimensions = 2;
    this.colouring = "clusters";
    this.chunks = new Map();
    this.isolated = null;
    this.selection = null;
    this.question = null;
    this.build();
    try {
      this.points = new PointCanvas(this.canvas, this.overlay, {
        hover: (index, x, y) => this.hover(index, x, y),
        pick: (index, x, y, touch) => this.pick(index, x, y, touch),
        lasso: (indices) => this.select(indices),
        moved: () => this.hideCard(),
        lost: () => location.reload(),
      });
      this.points.paint = (context, dense) => this.paint(context, dense);
    } catch (error) {
      this.show("bad", "The map cannot be drawn", error.message);
    }
    this.themes = new MutationObserver(() => this.recolour());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.seen = () => document.hidden || this.refresh();
    document.addEventListener("visibilitychange", this.seen);
    this.recolour();
    this.refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.themes?.disconnect();
    this.points?.close();
  }

  // -- the server ------------------------------------------------------------

  address(path, query = {}) {
    const asked = new URLSearchParams({ ...query, ...(this.library ? { library: this.library } : {}) });
    return `api/map${path}?${asked}`;
  }

  async ask(path, query, options = {}) {
    const reply = await fetch(this.address(path, query), { credentials: "same-origin", ...options });
    if (!reply.ok) {
      const problem = await reply.json().catch(() => ({}));
      throw new Error(problem.detail || `The server answered with ${reply.status}.`);
    }
    return reply;
  }

  async post(path, body) {
    const options = { method: "POST" };
    if (body) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    return (await this.ask(path, {}, options)).json();
  }

  async summary(method, dimensions) {
    return (await this.ask("", { method, dimensions })).json();
  }

  // Brings the page in line with the server: one summary, then points if they are other ones.
  async refresh() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn || 0) + 1);
    let wait = 0;
    try {
      const found = await this.summary(this.method, this.dimensions);
      if (turn !== this.turn) return;
      if (found.state === "ready") {
        await this.load(found);
        if (turn !== this.turn) return;
        wait = found.outdated ? POLL_OUTDATED : 0;
        if (this.method === "pca" && this.dimensions === 2 && !this.chosen) wait = (await this.background(found)) || wait;
        else this.pill.hidden = true;
      } else if (this.method === "tsne") wait = await this.awaitTsne(found);
      else wait = this.explain(found);
    } catch (error) {
      if (turn !== this.turn) return;
      if (this.loaded) this.say(error.message, true);
      else this.show("bad", "The map did not arrive", error.message, ["Try again", () => this.refresh()]);
    }
    if (wait && turn === this.turn) this.timer = setTimeout(() => this.refresh(), wait);
  }

  // What is shown while there is no map by principal components; returns when to look again.
  explain(found) {
    this.pill.hidden = true;
    if (found.state === "computing") {
      this.show("busy", "Drawing the map", "Every chunk of the library becomes a point. This takes seconds.");
      return POLL;
    }
    if (found.state === "failed") {
      this.show("bad", "The map could not be drawn", found.note, ["Try again", () => this.refresh()]);
      return 0;
    }
    this.show("empty", "Nothing to map yet", "The map fills when documents are added and have vectors.", [
      "Add documents",
      () => location.assign(this.page("documents")),
    ]);
    return POLL_OUTDATED;
  }

  // t-SNE while principal components are shown: it begins by itself where that is quick, and is shown when done.
  async background(shown) {
    let found = await this.summary("tsne", 2);
    if (found.state === "waiting" && shown.count <= AT_ONCE) found = await this.post("/tsne");
    if (found.state === "ready") {
      this.pill.hidden = true;
      if (!this.selection && !this.question && !this.isolated) this.change({ method: "tsne" }, false);
      return 0;
    }
    if (found.state !== "computing") {
      this.pill.hidden = true;
      return 0;
    }
    this.progress(found, "Computing neighbours");
    return POLL;
  }

  async awaitTsne(found) {
    if (found.state === "waiting" || found.state === "cancelled" || found.state === "failed") {
      if (found.state !== "waiting" && this.begun) {
        this.begun = false;
        if (found.note) this.say(found.note, true);
        this.change({ method: "pca" });
        return 0;
      }
      this.begun = true;
      found = await this.post("/tsne");
    }
    if (found.state === "computing") {
      this.begun = true;
      this.progress(found, "Computing neighbours");
      if (!this.loaded) await this.load(await this.summary("pca", 2));
      return POLL;
    }
    if (found.state === "unavailable") {
      this.change({ method: "pca" });
      this.say(found.note, true);
      return 0;
    }
    return found.state === "ready" ? 1 : this.explain(found);
  }

  async load(found) {
    if (found.state !== "ready") return;
    this.begun = false;
    const same = this.loaded;
    if (same && same.version === found.version && same.method === found.method && same.dimensions === found.dimensions) {
      return;
    }
    const query = { method: found.method, dimensions: found.dimensions };
    const content = await (await this.ask("/points", query)).arrayBuffer();
    const { dimensions } = found;
    const count = content.byteLength / (4 * dimensions + 10);
    const coordinates = new Float32Array(content, 0, count * dimensions);
    const documents = new Uint32Array(content, 4 * count * dimensions, count);
    const ids = new Uint32Array(content, 4 * count * (dimensions + 1), count);
    const clusters = new Uint16Array(content, 4 * count * (dimensions + 2), count);
    const kept = Boolean(this.ids) && this.ids.length === count && ids.every((id, at) => id === this.ids[at]);
    Object.assign(this, { loaded: found, documents, ids, clusters });
    if (!kept) this.forget();
    this.rows = new Map();
    ids.forEach((id, at) => this.rows.set(id, at));
    this.hideState();
    this.points?.setPoints(coordinates, dimensions, found.centre, found.half, kept);
    this.anchors = this.findAnchors();
    this.slots = this.chooseSlots();
    this.restyle();
    this.legend();
    const whole = found.total > found.count ? ` (of ${number(found.total)})` : "";
    const of = found.document_count === 1 ? "1 document" : `${number(found.document_count)} documents`;
    this.counts.textContent = `${number(found.count)}${whole} ${found.count === 1 ? "chunk" : "chunks"} in ${of}`;
    this.canvas.setAttribute("aria-label", `Map of ${this.counts.textContent}. The list beside it names its groups.`);
    this.say(found.note || "");
    if (this.question) this.place(this.question.text);
    this.dispatchEvent(new CustomEvent("openbook-drawn", { bubbles: true, detail: { count, method: found.method } }));
  }

  // -- what was chosen -------------------------------------------------------

  change(wish, chosen = true) {
    const next = { method: this.method, dimensions: this.dimensions, ...wish };
    if (wish.method === "tsne") next.dimensions = 2;
    if (wish.dimensions === 3) next.method = "pca";
    Object.assign(this, next, { chosen: this.chosen || chosen });
    this.segments.method.choose(this.method);
    this.segments.dimensions.choose(String(this.dimensions));
    this.hideCard();
    this.refresh();
  }

  forget() {
    this.isolated = null;
    this.selection = null;
    this.hovered = -1;
    this.selectionBox?.replaceChildren();
    this.chunks.clear();
  }

  colourBy(kind) {
    this.colouring = kind;
    this.isolated = null;
    if (!this.loaded) return;
    this.slots = this.chooseSlots();
    this.restyle();
    this.legend();
  }

  // Clusters get the colours in turn; from the thirteenth on the colour whose next owner is farthest away.
  chooseSlots() {
    const { clusters, documents } = this.loaded;
    if (this.colouring === "documents") return documents.map((_, at) => Math.min(at, OTHER));
    const chosen = [];
    clusters.forEach((_, at) => {
      if (at < SLOTS) return chosen.push(at);
      const room = new Array(SLOTS).fill(Infinity);
      chosen.forEach((slot, other) => {
        const [a, b] = [this.anchors[at], this.anchors[other]];
        if (a && b) room[slot] = Math.min(room[slot], Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
      });
      return chosen.push(room.indexOf(Math.max(...room)));
    });
    return chosen;
  }

  groups() {
    return this.colouring === "documents" ? this.documents : this.clusters;
  }

  restyle() {
    if (!this.points || !this.loaded) return;
    const groups = this.groups();
    const styles = new Uint8Array(groups.length);
    for (let i = 0; i < groups.length; i++) styles[i] = this.slots[groups[i]] ?? OTHER;
    let plain = null;
    if (this.isolated !== null || this.selection) {
      plain = new Uint8Array(groups.length);
      for (let i = 0; i < groups.length; i++) plain[i] = this.isolated === null || groups[i] === this.isolated ? 1 : 0;
      if (this.selection) {
        const chosen = new Uint8Array(groups.length);
        for (const at of this.selection) chosen[at] = 1;
        plain.forEach((one, at) => (plain[at] = one & chosen[at]));
      }
    }
    this.few = null;
    if (plain) {
      const shown = [];
      plain.forEach((one, at) => one && shown.length <= FEW && shown.push(at));
      if (shown.length <= FEW) this.few = shown;
    }
    this.points.setStyles(styles, plain);
  }

  isolate(group) {
    this.isolated = this.isolated === group ? null : group;
    this.restyle();
    for (const entry of this.list.querySelectorAll("button")) {
      entry.setAttribute("aria-pressed", String(Number(entry.dataset.group) === this.isolated));
    }
  }

  recolour() {
    const style = getComputedStyle(this);
    const colour = (name) => rgb(style.getPropertyValue(name).trim());
    this.inks = { ink: style.getPropertyValue("--ob-ink"), paper: style.getPropertyValue("--ob-map-paper"),
      accent: style.getPropertyValue("--ob-accent") };
    const palette = Array.from({ length: SLOTS }, (_, slot) => colour(`--ob-map-${slot}`));
    this.points?.setColours([...palette, colour("--ob-map-other")], colour("--ob-map-paper"));
  }

  // -- selecting and searching -----------------------------------------------

  select(indices) {
    this.lasso(false);
    if (!indices.length) {
      this.say("No point lies inside.");
      return;
    }
    this.selection = indices;
    this.restyle();
    const counted = new Map();
    for (const at of indices) counted.set(this.documents[at], (counted.get(this.documents[at]) || 0) + 1);
    const top = [...counted].sort((one, other) => other[1] - one[1]).slice(0, 5);
    const rows = top.filter(([document]) => this.loaded.documents[document]?.path).map(([document, count]) => {
      const { id, path, title } = this.loaded.documents[document];
      const link = make("a", { href: this.page(`documents/${id}`), title: path }, title || path);
      return make("li", { class: "ob-map__row" }, link, make("span", { class: "ob-numbers ob-muted" }, number(count)));
    });
    const field = make("input", { class: "ob-field", type: "search", placeholder: "Search within the selection",
      "aria-label": "Search within the selection", maxlength: "2000" });
    const results = make("div", { class: "ob-stack", "aria-live": "polite" });
    const form = make("form", { class: "ob-map__form" }, field, make("button", { class: "ob-button ob-button--primary", type: "submit" }, "Search"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.searchWithin(field.value, results);
    });
    const many = indices.length === 1 ? "1 chunk selected" : `${number(indices.length)} chunks selected`;
    const from = counted.size === 1 ? "From 1 document" : `From ${number(counted.size)} documents`;
    this.selectionBox.replaceChildren(
      this.cardHead(many, "Clear the selection", () => this.clearSelection()),
      make("p", { class: "ob-small ob-muted" }, counted.size > rows.length ? `${from}; most from` : from),
      make("ul", { class: "ob-map__rows" }, ...rows),
      form,
      results,
    );
    this.say(many);
    this.dispatchEvent(new CustomEvent("openbook-selected", { bubbles: true, detail: { count: indices.length } }));
  }

  clearSelection() {
    this.selection = null;
    this.selectionBox.replaceChildren();
    this.restyle();
    this.canvas.focus();
  }

  async searchWithin(question, results) {
    if (!question.trim()) return;
    results.replaceChildren(make("div", { class: "ob-skeleton" }), make("div", { class: "ob-skeleton" }));
    try {
      const ids = this.selection.map((at) => this.ids[at]);
      this.showHits(await this.post("/search", { question, chunk_ids: ids, k: 10 }), results, "Nothing in the selection fits.");
    } catch (error) {
      results.replaceChildren(make("p", { class: "ob-map__bad", role: "alert" }, error.message));
    }
  }

  async place(text) {
    if (!text.trim() || !this.loaded) return;
    const { method, dimensions } = this.loaded;
    this.questionBox.replaceChildren(make("div", { class: "ob-skeleton" }), make("div", { class: "ob-skeleton" }));
    try {
      const found = await this.post("/place", { question: text, method, dimensions, k: 10 });
      const place = found.coordinates && this.worldly(found.coordinates);
      const hits = found.hits.hits.map((hit) => this.rows.get(hit.chunk_id)).filter((at) => at !== undefined);
      this.question = { text, place, hits };
      const results = make("div", { class: "ob-stack" });
      const how = !place ? "It has no place: only words can be searched in this library."
        : found.how === "projected" ? "Projected like every chunk; lines lead to what a search finds."
        : "Placed among its nearest chunks; lines lead to what a search finds.";
      this.questionBox.replaceChildren(
        this.cardHead("Your question", "Remove the question", () => this.clearQuestion()),
        make("p", { class: "ob-small ob-muted" }, how),
        results,
      );
      this.showHits(found.hits, results, "A search finds nothing.");
      this.points?.draw(true);
      this.dispatchEvent(new CustomEvent("openbook-placed", { bubbles: true, detail: { place, hits } }));
    } catch (error) {
      this.questionBox.replaceChildren(make("p", { class: "ob-map__bad", role: "alert" }, error.message));
    }
  }

  clearQuestion() {
    this.question = null;
    this.asked.value = "";
    this.questionBox.replaceChildren();
    this.points?.draw(true);
  }

  worldly(coordinates) {
    const { centre, half } = this.loaded;
    const place = coordinates.map((value, axis) => (value - centre[axis]) / half);
    return [place[0], place[1], place[2] || 0];
  }

  showHits(hits, into, none) {
    if (!hits.hits.length) {
      into.replaceChildren(make("p", { class: "ob-muted" }, none));
      return;
    }
    into.replaceChildren(chunkList(hits.hits, {
      href: (hit) => this.page(`documents/${hit.document_id}`, { start: hit.start, end: hit.end }),
      open: (event, hit) => this.open(event, hit),
      hover: (hit) => {
        this.hovered = hit ? (this.rows.get(hit.chunk_id) ?? -1) : -1;
        this.points?.draw(true);
      },
    }));
  }

  // -- the pointer -----------------------------------------------------------

  hover(index, x, y) {
    if (index === this.hovered && index >= 0) return;
    this.hovered = index;
    this.canvas.style.cursor = this.points.lassoing ? "crosshair" : index >= 0 ? "pointer" : "";
    this.points.draw(true);
    if (index < 0) this.hideCard();
    else this.showCard(index, x, y, false);
  }

  async pick(index, x, y, touch) {
    if (index < 0) return this.hideCard();
    this.hovered = index;
    this.points.draw(true);
    if (touch) return this.showCard(index, x, y, true);
    const chunk = await this.chunk(index);
    if (chunk && !chunk.missing) this.open(null, chunk);
  }

  async chunk(index) {
    const id = this.ids[index];
    if (!this.chunks.has(id)) {
      if (this.chunks.size >= KEPT_CHUNKS) this.chunks.delete(this.chunks.keys().next().value);
      const wanted = this.ask(`/chunk/${id}`, {}).then((reply) => reply.json());
      this.chunks.set(id, wanted.catch((error) => ({ missing: error.message })));
    }
    return this.chunks.get(id);
  }

  async showCard(index, x, y, touch) {
    const chunk = await this.chunk(index);
    if (this.hovered !== index) return;
    const link = this.card.querySelector("a");
    this.card.classList.toggle("ob-map__card--touch", touch);
    if (chunk.missing) {
      this.cardParts.title.textContent = "Not there any more";
      this.cardParts.place.textContent = "";
      this.cardParts.text.textContent = chunk.missing;
      link.hidden = true;
    } else {
      this.cardParts.title.textContent = chunk.title || chunk.path;
      this.cardParts.place.textContent = [chunk.title ? chunk.path : "", chunk.place].filter(Boolean).join(" · ");
      this.cardParts.text.textContent = chunk.text.trim().replace(/\s+/g, " ") + (chunk.more ? " …" : "");
      link.hidden = !touch;
      link.href = this.page(`documents/${chunk.document_id}`, { start: chunk.start, end: chunk.end });
      const cluster = this.loaded.clusters[this.clusters[index]];
      this.cardParts.group.textContent = cluster ? cluster.words.join(" · ") : "";
    }
    this.card.hidden = false;
    const [width, height] = [this.card.offsetWidth, this.card.offsetHeight];
    const left = x + 18 + width > this.points.width ? x - width - 18 : x + 18;
    this.card.style.left = `${Math.max(8, Math.min(left, this.points.width - width - 8))}px`;
    this.card.style.top = `${Math.max(8, Math.min(y - 24, this.points.height - height - 8))}px`;
  }

  hideCard() {
    this.card.hidden = true;
  }

  open(event, place) {
    const detail = { document_id: place.document_id, start: place.start, end: place.end };
    const going = this.dispatchEvent(new CustomEvent("openbook-open", { bubbles: true, cancelable: true, detail }));
    if (!going) event?.preventDefault();
    else if (!event) location.assign(this.page(`documents/${place.document_id}`, { start: place.start, end: place.end }));
  }

  page(path, query = {}) {
    const asked = new URLSearchParams({ ...query, ...(this.named ? { library: this.library } : {}) }).toString();
    return asked ? `${path}?${asked}` : path;
  }

  lasso(on) {
    if (!this.points) return;
    this.points.lassoing = on;
    this.lassoButton.setAttribute("aria-pressed", String(on));
    this.canvas.style.cursor = on ? "crosshair" : "";
  }

  // -- what lies over the points ---------------------------------------------

  // A place for the name of each cluster: the member nearest to the median of its members.
  findAnchors() {
    if (!this.points) return [];
    const { world } = this.points;
    return this.loaded.clusters.map((_, cluster) => {
      const members = [];
      for (let i = 0; i < this.clusters.length; i++) if (this.clusters[i] === cluster) members.push(i);
      if (!members.length) return null;
      const middle = [0, 1, 2].map((axis) => {
        const values = Float32Array.from(members, (at) => world[3 * at + axis]).sort();
        return values[values.length >> 1];
      });
      const away = (at) => Math.hypot(world[3 * at] - middle[0], world[3 * at + 1] - middle[1], world[3 * at + 2] - middle[2]);
      const best = members.reduce((one, other) => (away(other) < away(one) ? other : one));
      return [world[3 * best], world[3 * best + 1], world[3 * best + 2]];
    });
  }

  paint(context, dense) {
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, this.points.width, this.points.height);
    if (!this.loaded) return;
    if (this.points.mix === 1) this.paintNames(context);
    for (const at of this.few || []) {
      const [x, y] = this.points.at(at);
      ring(context, x, y, this.points.pointSize() / 2 + 3, this.inks.ink, 1.25);
    }
    this.paintQuestion(context);
    if (this.hovered >= 0 && this.hovered < this.points.count) {
      const [x, y] = this.points.at(this.hovered);
      ring(context, x, y, this.points.pointSize() / 2 + 4, this.inks.ink, 2);
    }
    this.paintLasso(context);
  }

  paintNames(context) {
    const taken = [];
    context.font = "600 12.5px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    this.loaded.clusters.forEach((cluster, at) => {
      const anchor = this.anchors[at];
      const faint = this.colouring === "clusters" && this.isolated !== null && this.isolated !== at;
      if (!anchor || !cluster.words.length || !cluster.chunks || faint) return;
      const [x, y] = this.points.project(...anchor);
      const name = cluster.words.slice(0, 2).join(" · ");
      const half = context.measureText(name).width / 2 + 6;
      if (x - half < 4 || x + half > this.points.width - 4 || y < 12 || y > this.points.height - 12) return;
      if (taken.some(([left, right, height]) => x - half < right && x + half > left && Math.abs(y - height) < 20)) return;
      taken.push([x - half, x + half, y]);
      context.strokeStyle = this.inks.paper;
      context.lineWidth = 4;
      context.strokeText(name, x, y);
      context.fillStyle = this.inks.ink;
      context.fillText(name, x, y);
    });
  }

  paintQuestion(context) {
    const { question } = this;
    if (!question) return;
    const spots = question.hits.map((at) => this.points.at(at));
    const place = question.place && this.points.project(...question.place);
    if (place) {
      context.globalAlpha = 0.55;
      context.strokeStyle = this.inks.accent;
      context.lineWidth = 1.25;
      context.beginPath();
      for (const [x, y] of spots) {
        context.moveTo(place[0], place[1]);
        context.lineTo(x, y);
      }
      context.stroke();
      context.globalAlpha = 1;
    }
    for (const [x, y] of spots) {
      ring(context, x, y, this.points.pointSize() / 2 + 3.5, this.inks.paper, 4);
      ring(context, x, y, this.points.pointSize() / 2 + 3.5, this.inks.accent, 2);
    }
    if (!place) return;
    context.beginPath();
    context.arc(place[0], place[1], 8, 0, 2 * Math.PI);
    context.fillStyle = this.inks.accent;
    context.strokeStyle = this.inks.paper;
    context.lineWidth = 3;
    context.fill();
    context.stroke();
    ring(context, place[0], place[1], 13, this.inks.accent, 2);
  }

  paintLasso(context) {
    const { path } = this.points;
    if (!path || path.length < 2) return;
    context.beginPath();
    path.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.globalAlpha = 0.14;
    context.fillStyle = this.inks.accent;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = this.inks.accent;
    context.lineWidth = 1.75;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  // -- the parts of the page -------------------------------------------------

  build() {
    this.classList.add("ob-map");
    this.segments = {
      method: segmented("Layout", [["pca", "Directions", "Principal components: the directions in which chunks differ most"],
        ["tsne", "Neighbours", "t-SNE: chunks that say similar things lie together"]], "pca", (value) => this.change({ method: value })),
      dimensions: segmented("Dimensions", [["2", "2-D", "Flat"], ["3", "3-D", "In space, by principal components"]], "2",
        (value) => this.change({ dimensions: Number(value) })),
      colour: segmented("Colours", [["clusters", "Clusters", "Colour by cluster"], ["documents", "Documents", "Colour by document"]], "clusters",
        (value) => this.colourBy(value)),
    };
    this.counts = make("p", { class: "ob-subtitle ob-numbers" }, "\u00a0");
    const head = make("header", { class: "ob-map__head" },
      make("div", {}, make("h1", { class: "ob-title" }, "Map"), this.counts),
      make("div", { class: "ob-map__controls" }, this.segments.method, this.segments.dimensions));
    this.append(head, make("div", { class: "ob-map__body" }, this.buildStage(), this.buildPanel()));
  }

  buildStage() {
    this.canvas = make("canvas", { class: "ob-map__canvas", tabindex: "0", role: "application",
      "aria-label": "Map", "aria-describedby": "ob-map-keys" });
    this.overlay = make("canvas", { class: "ob-map__canvas ob-map__overlay", "aria-hidden": "true" });
    this.cardParts = { title: make("strong"), place: make("span", { class: "ob-muted ob-small" }), text: make("p"),
      group: make("span", { class: "ob-muted ob-small" }) };
    this.card = make("div", { class: "ob-map__card", hidden: "" }, ...Object.values(this.cardParts),
      make("a", { class: "ob-button ob-button--small" }, "Open the document"));
    this.lassoButton = this.tool("lasso", "Select with a lasso (or hold Shift and drag)", () => this.lasso(!this.points.lassoing));
    this.lassoButton.setAttribute("aria-pressed", "false");
    const tools = make("div", { class: "ob-map__tools", role: "toolbar", "aria-label": "View" }, this.lassoButton,
      this.tool("plus", "Zoom in (+)", () => this.points?.zoom(1.5)), this.tool("minus", "Zoom out (-)", () => this.points?.zoom(1 / 1.5)),
      this.tool("home", "Show all (Home)", () => this.points?.reset()));
    this.pillText = make("span");
    this.pillBar = make("div", { class: "ob-progress__bar" });
    this.pillFrame = make("div", { class: "ob-progress", role: "progressbar", "aria-label": "Progress of the map" }, this.pillBar);
    this.pill = make("div", { class: "ob-map__pill", hidden: "" }, this.pillText, this.pillFrame,
      make("button", { class: "ob-button ob-button--small ob-button--quiet", type: "button" }, "Stop"));
    this.pill.querySelector("button").addEventListener("click", () => this.stopTsne());
    this.status = make("p", { class: "ob-map__status", "aria-live": "polite", hidden: "" });
    this.keys = make("p", { class: "ob-map__keys", id: "ob-map-keys" },
      "Drag to move, scroll to zoom, hold Shift to select. Keys: arrows, + and \u2212, Home.");
    this.curtain = make("div", { class: "ob-map__curtain" });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.points?.lassoing) this.lasso(false);
      else if (this.selection) this.clearSelection();
      else if (this.isolated !== null) this.isolate(this.isolated);
      this.hideCard();
    });
    return make("div", { class: "ob-map__stage" }, this.canvas, this.overlay, tools, this.pill, this.status, this.keys, this.card, this.curtain);
  }

  buildPanel() {
    this.asked = make("input", { class: "ob-field", type: "search", placeholder: "Where does a question fall?",
      "aria-label": "Show a question on the map", maxlength: "2000" });
    const form = make("form", { class: "ob-map__form", role: "search" }, this.asked,
      make("button", { class: "ob-button", type: "submit" }, "Show"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.asked.value.trim()) this.place(this.asked.value);
      else this.clearQuestion();
    });
    this.questionBox = make("section", { class: "ob-map__box", "aria-label": "The question" });
    this.selectionBox = make("section", { class: "ob-map__box", "aria-label": "The selection" });
    this.filter = make("input", { class: "ob-field", type: "search", placeholder: "Find a document", "aria-label": "Find a document", hidden: "" });
    this.filter.addEventListener("input", () => this.legend());
    this.list = make("ul", { class: "ob-map__legend" });
    this.rest = make("p", { class: "ob-small ob-muted" });
    return make("aside", { class: "ob-map__panel", "aria-label": "Groups and hits" }, form, this.questionBox, this.selectionBox,
      make("section", { class: "ob-stack", "aria-label": "Groups" }, this.segments.colour, this.filter, this.list, this.rest));
  }

  legend() {
    const byDocument = this.colouring === "documents";
    const { documents, clusters } = this.loaded;
    const wanted = this.filter.value.trim().toLowerCase();
    this.filter.hidden = !byDocument || documents.length <= SLOTS;
    const all = byDocument
      ? documents.map((one, at) => ({ at, name: one.title || one.path, hint: one.path, chunks: one.chunks }))
        .filter((one) => one.hint && (!wanted || `${one.name} ${one.hint}`.toLowerCase().includes(wanted)))
      : clusters.map((one, at) => ({ at, name: one.words.join(" \u00b7 ") || `Cluster ${at + 1}`, hint: "", chunks: one.chunks }));
    const shown = all.filter((one) => one.chunks).slice(0, byDocument ? LISTED : undefined);
    this.list.replaceChildren(...shown.map((one) => {
      const slot = this.slots[one.at] ?? OTHER;
      const button = make("button", { type: "button", class: "ob-map__entry", "data-group": String(one.at), title: one.hint || one.name,
        "aria-pressed": String(this.isolated === one.at) },
      make("span", { class: `ob-map__swatch ob-map__swatch--${slot}`, "aria-hidden": "true" }),
      make("span", { class: "ob-map__name" }, one.name),
      make("span", { class: "ob-numbers ob-muted ob-small" }, number(one.chunks)));
      button.addEventListener("click", () => this.isolate(one.at));
      return make("li", {}, button);
    }));
    const left = byDocument && !wanted ? this.loaded.document_count - shown.length : 0;
    this.rest.textContent = left > 0 ? `and ${number(left)} more ${left === 1 ? "document" : "documents"}, in grey` : !shown.length ? "No document fits." : "";
  }

  cardHead(title, label, close) {
    const button = make("button", { type: "button", class: "ob-button ob-button--quiet ob-button--icon ob-button--small", "aria-label": label, title: label }, icon("close"));
    button.addEventListener("click", close);
    return make("div", { class: "ob-map__boxhead" }, make("h2", { class: "ob-heading" }, title), button);
  }

  tool(name, label, action) {
    const button = make("button", { type: "button", class: "ob-map__tool", "aria-label": label, title: label }, icon(name));
    button.addEventListener("click", action);
    return button;
  }

  progress(found, words) {
    this.pill.hidden = false;
    this.pillText.textContent = found.progress ? `${words}: ${percent(found.progress)}` : `${words} \u2026`;
    this.pillFrame.classList.toggle("ob-progress--unknown", !found.progress);
    this.pillBar.style.width = found.progress ? percent(found.progress) : "";
    if (found.progress) this.pillFrame.setAttribute("aria-valuenow", String(Math.round(100 * found.progress)));
  }

  async stopTsne() {
    this.pill.hidden = true;
    this.chosen = true;
    try {
      await this.ask("/tsne", {}, { method: "DELETE" });
    } catch (error) {
      this.say(error.message, true);
    }
    if (this.method === "tsne") this.change({ method: "pca" });
    else this.refresh();
  }

  say(text, bad = false) {
    this.status.textContent = text;
    this.status.hidden = !text;
    this.status.classList.toggle("ob-map__status--bad", bad);
    clearTimeout(this.fading);
    if (text && !bad) this.fading = setTimeout(() => (this.status.hidden = true), 6000);
  }

  // Covers the map with a state: "busy", "empty" or "bad".
  show(kind, title, text, action) {
    const box = make("section", { class: "ob-map__state", ...(kind === "bad" ? { role: "alert" } : {}) });
    if (kind === "busy") box.append(make("div", { class: "ob-map__dots", "aria-hidden": "true" }, make("i"), make("i"), make("i")));
    else box.append(icon(kind === "bad" ? "warn" : "points"));
    box.append(make("h2", { class: "ob-state__title" }, title), make("p", { class: "ob-state__text" }, text));
    if (action) {
      const button = make("button", { type: "button", class: "ob-button ob-button--primary" }, action[0]);
      button.addEventListener("click", action[1]);
      box.append(button);
    }
    this.curtain.replaceChildren(box);
    this.curtain.hidden = false;
    this.classList.toggle("ob-map--covered", true);
    this.classList.toggle("ob-map--bare", kind !== "busy");
  }

  hideState() {
    this.curtain.hidden = true;
    this.curtain.replaceChildren();
    this.classList.toggle("ob-map--covered", false);
    this.classList.toggle("ob-map--bare", false);
  }
}

function ring(context, x, y, radius, colour, width) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

// "#rrggbb" → three numbers from 0 to 1.
function rgb(text) {
  const value = parseInt(text.replace("#", ""), 16) || 0;
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

customElements.define("openbook-map", OpenbookMap);
