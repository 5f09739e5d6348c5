// Points on a canvas: drawn by WebGL, moved with pointer, wheel, fingers and keys, picked and selected.
//
// It knows coordinates, colours and screen places, and nothing of documents. Points are shuffled once,
// so that the first m of them are a fair sample of all: while something moves, only so many are drawn as
// keep it smooth, and all of them when it rests. Picking and selecting look at all points on the
// processor, which takes about a millisecond for 100,000.

const VERTEX = `#version 300 es
uniform mat3 u_turn;
uniform vec2 u_pan;
uniform vec2 u_scale;
uniform float u_depth;
uniform float u_size;
uniform float u_mix;
uniform vec3 u_palette[SLOTS];
uniform vec3 u_paper;
in vec3 a_place;
in vec3 a_before;
in vec2 a_style; // slot of the palette; 0 faint, 1 plain
out vec4 v_colour;
void main() {
  vec3 place = u_turn * mix(a_before, a_place, u_mix);
  float near = 1.0 / (1.0 - u_depth * clamp(place.z, -1.6, 1.6));
  gl_Position = vec4((place.xy - u_pan) * near * u_scale, clamp(-place.z * 0.4, -0.9, 0.9), 1.0);
  bool plain = a_style.y > 0.5;
  vec3 colour = u_palette[int(a_style.x)];
  if (u_depth > 0.0) colour = mix(colour, u_paper, clamp(0.32 - 0.38 * place.z, 0.0, 0.6));
  v_colour = plain ? vec4(colour, 0.86) : vec4(mix(colour, u_paper, 0.72), 0.3);
  gl_PointSize = u_size * near * (plain ? 1.0 : 0.7);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform float u_solid;
in vec4 v_colour;
out vec4 colour;
void main() {
  float away = length(gl_PointCoord - 0.5);
  if (away > 0.5) discard;
  float alpha = u_solid > 0.5 ? 1.0 : v_colour.a * (1.0 - smoothstep(0.38, 0.5, away));
  colour = vec4(v_colour.rgb * alpha, alpha);
}`;

const DEPTH = 0.28; // how strong the perspective is, in three dimensions
const FEWEST = 4000; // points that are drawn however slow the machine is
const SLOW = 42, QUICK = 24; // milliseconds of a frame beyond which fewer, or below which more points are drawn
const REST = 140; // milliseconds without movement after which all points are drawn
const MORPH = 700, MOST_MORPHED = 60000;
const REACH = 12; // pixels from a point within which it is meant
const ZOOMS = [0.4, 400];

export class PointCanvas {
  // `on` has the functions hover(index | null, x, y), pick(index, x, y, touch), lasso(indices), moved().
  constructor(canvas, overlay, on) {
    this.canvas = canvas;
    this.overlay = overlay;
    this.on = on;
    this.count = 0;
    this.dimensions = 2;
    this.slots = 16;
    this.palette = new Float32Array(3 * this.slots);
    this.paper = [1, 1, 1];
    this.lassoing = false;
    this.paint = () => {};
    this.frames = { drawn: 0, points: 0, milliseconds: [] };
    this.pointers = new Map();
    this.reset();
    this.prepare();
    this.listen();
    this.watching = new ResizeObserver(() => this.resize());
    this.watching.observe(canvas);
    this.resize();
  }

  close() {
    this.watching.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
  }

  // -- what is drawn ---------------------------------------------------------

  prepare() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser has no WebGL 2, or it is turned off.");
    this.gl = gl;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source.replace("SLOTS", String(this.slots)));
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "no shader");
    gl.useProgram(program);
    this.places = {};
    for (const name of ["turn", "pan", "scale", "depth", "size", "mix", "palette", "paper", "solid"]) {
      this.places[name] = gl.getUniformLocation(program, `u_${name}`);
    }
    this.buffers = {};
    for (const [name, size, kind] of [["place", 3, gl.FLOAT], ["before", 3, gl.FLOAT], ["style", 2, gl.UNSIGNED_BYTE]]) {
      const at = gl.getAttribLocation(program, `a_${name}`);
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, kind, false, 0, 0);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  // `coordinates` hold the points one after the other; `same` says that they are the points of before.
  setPoints(coordinates, dimensions, centre, half, same) {
    const count = coordinates.length / dimensions;
    const before = this.world;
    const turned = this.dimensions !== dimensions;
    this.count = count;
    this.dimensions = dimensions;
    if (!same || !this.order || this.order.length !== count) this.order = shuffled(count);
    this.world = new Float32Array(3 * count);
    for (let i = 0; i < count; i++) {
      for (let axis = 0; axis < dimensions; axis++) {
        this.world[3 * i + axis] = (coordinates[dimensions * i + axis] - centre[axis]) / half;
      }
    }
    const moving = same && before && before.length === this.world.length && count <= MOST_MORPHED && !calm();
    this.fill("before", this.sorted(moving ? before : this.world, 3));
    this.fill("place", this.sorted(this.world, 3));
    this.mix = moving ? 0 : 1;
    this.morphing = moving ? performance.now() : 0;
    this.budget = Math.min(count, this.budget || count);
    if (!same || turned) this.reset();
    this.stale();
    this.draw(true);
  }

  // One slot of the palette for each point, and 1 for each that is not to be faint.
  setStyles(slots, plain) {
    const styles = new Uint8Array(2 * this.count);
    for (let i = 0; i < this.count; i++) {
      const point = this.order[i];
      styles[2 * i] = slots[point];
      styles[2 * i + 1] = plain ? plain[point] : 1;
    }
    this.plain = plain;
    this.fill("style", styles);
    this.draw(true);
  }

  setColours(palette, paper) {
    palette.forEach((colour, slot) => this.palette.set(colour, 3 * slot));
    this.paper = paper;
    this.draw(true);
  }

  fill(name, content) {
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, content, gl.STATIC_DRAW);
  }

  sorted(values, size) {
    const result = new values.constructor(values.length);
    for (let i = 0; i < this.count; i++) {
      for (let axis = 0; axis < size; axis++) result[size * i + axis] = values[size * this.order[i] + axis];
    }
    return result;
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    if (!box.width || !box.height) return;
    this.width = box.width;
    this.height = box.height;
    for (const canvas of [this.canvas, this.overlay]) {
      canvas.width = Math.round(box.width * dense);
      canvas.height = Math.round(box.height * dense);
    }
    this.dense = dense;
    this.stale();
    this.draw(true);
  }

  // Asks for a frame; `still` means that nothing is moving, so all points are drawn.
  draw(still) {
    clearTimeout(this.resting);
    if (!still) this.resting = setTimeout(() => this.draw(true), REST);
    this.still = Boolean(still);
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.render(now));
  }

  render(now) {
    this.frame = 0;
    if (!this.width || this.gl.isContextLost()) return;
    if (this.morphing) {
      const share = Math.min(1, (performance.now() - this.morphing) / MORPH);
      this.mix = share * share * (3 - 2 * share);
      if (share === 1) this.morphing = 0;
    }
    const moving = !this.still || this.morphing;
    this.adapt(now, moving);
    const count = moving ? Math.min(this.count, Math.max(FEWEST, Math.round(this.budget))) : this.count;
    this.drawPoints(count);
    this.paint(this.overlay.getContext("2d"), this.dense);
    this.frames.drawn += 1;
    this.frames.points = count;
    if (this.morphing) this.draw(true);
  }

  // Learns from the time between frames that follow each other how many points this machine can move.
  adapt(now, moving) {
    const spent = now - this.before;
    this.before = moving ? now : 0;
    if (!moving || !(spent < 1000)) return;
    if (this.frames.milliseconds.length < 5000) this.frames.milliseconds.push(spent);
    if (spent > SLOW) this.budget = Math.max(FEWEST, Math.min(this.budget, this.count) * 0.6);
    else if (spent < QUICK) this.budget = Math.min(this.count, this.budget * 1.1);
  }

  drawPoints(count) {
    const { gl, places } = this;
    const scale = this.scale();
    const deep = this.dimensions === 3;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!count) return;
    if (deep) gl.enable(gl.DEPTH_TEST);
    else gl.disable(gl.DEPTH_TEST);
    gl.uniformMatrix3fv(places.turn, false, this.turn());
    gl.uniform2f(places.pan, this.camera.x, this.camera.y);
    gl.uniform2f(places.scale, (2 * scale) / this.width, (2 * scale) / this.height);
    gl.uniform1f(places.depth, deep ? DEPTH : 0);
    gl.uniform1f(places.size, this.pointSize() * this.dense);
    gl.uniform1f(places.mix, this.mix);
    gl.uniform1f(places.solid, deep ? 1 : 0);
    gl.uniform3fv(places.palette, this.palette);
    gl.uniform3fv(places.paper, this.paper);
    gl.drawArrays(gl.POINTS, 0, count);
  }

  pointSize() {
    const room = Math.max(0.7, Math.min(1.2, Math.min(this.width, this.height) / 640));
    return Math.min(16, (17 / Math.max(1, this.count) ** 0.14) * room * this.camera.zoom ** 0.35);
  }

  // -- where things are ------------------------------------------------------

  reset() {
    this.camera = { x: 0, y: 0, zoom: 1, yaw: 0.5, pitch: 0.35 };
    this.stale();
    if (this.gl) this.draw(true);
  }

  scale() {
    return 0.44 * Math.min(this.width, this.height) * this.camera.zoom;
  }

  // The rotation, column by column.
  turn() {
    if (this.dimensions === 2) return [1, 0, 0, 0, 1, 0, 0, 0, 1];
    const { yaw, pitch } = this.camera;
    const [a, b, c, d] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    return [a, d * b, -c * b, 0, c, d, b, -d * a, c * a];
  }

  stale() {
    this.screen = null;
  }

  // Where a place of the map is on the screen: [x, y, nearness]. `place` is in the map's own coordinates.
  project(x, y, z = 0) {
    const m = this.turn();
    const scale = this.scale();
    const depth = m[2] * x + m[5] * y + m[8] * z;
    const near = this.dimensions === 3 ? 1 / (1 - DEPTH * Math.max(-1.6, Math.min(1.6, depth))) : 1;
    return [
      this.width / 2 + (m[0] * x + m[3] * y + m[6] * z - this.camera.x) * near * scale,
      this.height / 2 - (m[1] * x + m[4] * y + m[7] * z - this.camera.y) * near * scale,
      near,
    ];
  }

  at(index) {
    return this.project(this.world[3 * index], this.world[3 * index + 1], this.world[3 * index + 2]);
  }

  // The places of all points on the screen, x and y one after the other. Made when needed.
  placed() {
    if (this.screen) return this.screen;
    const { world, count } = this;
    const m = this.turn();
    const scale = this.scale();
    const [left, top, x0, y0] = [this.width / 2, this.height / 2, this.camera.x, this.camera.y];
    const deep = this.dimensions === 3;
    const screen = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      const x = world[3 * i], y = world[3 * i + 1], z = world[3 * i + 2];
      let size = scale;
      if (deep) size /= 1 - DEPTH * Math.max(-1.6, Math.min(1.6, m[2] * x + m[5] * y + m[8] * z));
      screen[2 * i] = left + (m[0] * x + m[3] * y + m[6] * z - x0) * size;
      screen[2 * i + 1] = top - (m[1] * x + m[4] * y + m[7] * z - y0) * size;
    }
    this.screen = screen;
    return screen;
  }

  // The point nearest to a place on the screen, or -1; faint points are not meant.
  nearest(x, y, reach = REACH) {
    const screen = this.placed();
    let best = -1, least = reach * reach;
    for (let i = 0; i < this.count; i++) {
      const across = screen[2 * i] - x, down = screen[2 * i + 1] - y;
      const away = across * across + down * down;
      if (away < least && (!this.plain || this.plain[i])) {
        least = away;
        best = i;
      }
    }
    return best;
  }

  // The points inside a path of [x, y] on the screen (even-odd rule).
  inside(path) {
    const screen = this.placed();
    const xs = path.map((one) => one[0]), ys = path.map((one) => one[1]);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const found = [];
    for (let i = 0; i < this.count; i++) {
      const x = screen[2 * i], y = screen[2 * i + 1];
      if (x < left || x > right || y < top || y > bottom || (this.plain && !this.plain[i])) continue;
      let within = false;
      for (let a = 0, b = path.length - 1; a < path.length; b = a++) {
        if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) within = !within;
      }
      if (within) found.push(i);
    }
    return found;
  }

  // -- moving ----------------------------------------------------------------

  moved() {
    this.stale();
    this.on.moved();
    this.draw(false);
  }

  pan(across, down) {
    this.camera.x -= across / this.scale();
    this.camera.y += down / this.scale();
    this.moved();
  }

  rotate(across, down) {
    this.camera.yaw += across * 0.008;
    this.camera.pitch = Math.max(-1.5, Math.min(1.5, this.camera.pitch + down * 0.008));
    this.moved();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.scale();
    this.camera.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], this.camera.zoom * factor));
    const after = this.scale();
    // What lies under the pointer stays there.
    this.camera.x += (x - this.width / 2) * (1 / before - 1 / after);
    this.camera.y -= (y - this.height / 2) * (1 / before - 1 / after);
    this.moved();
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", (event) => {
      if (!this.pointers.size && event.pointerType === "mouse") this.on.hover(-1, 0, 0);
    });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.on.lost());
  }

  spot(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button > 0) return;
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that is gone already
    }
    const spot = this.spot(event);
    this.pointers.set(event.pointerId, spot);
    this.still0 = this.pointers.size === 1 ? spot : null;
    this.on.hover(-1, 0, 0);
    this.path = this.pointers.size === 1 && (this.lassoing || event.shiftKey) ? [spot] : null;
  }

  move(event) {
    const spot = this.spot(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      this.pointed = spot;
      if (event.pointerType === "mouse" && !this.pointing) {
        this.pointing = requestAnimationFrame(() => {
          this.pointing = 0;
          if (!this.pointers.size) this.on.hover(this.nearest(...this.pointed), ...this.pointed);
        });
      }
      return;
    }
    if (this.still0 && Math.hypot(spot[0] - this.still0[0], spot[1] - this.still0[1]) < 5) return;
    this.still0 = null;
    if (this.path) {
      this.path.push(spot);
      this.draw(true);
    } else if (this.pointers.size === 2) {
      this.pinch(event.pointerId, last, spot);
    } else if (this.dimensions === 3) {
      this.rotate(spot[0] - last[0], spot[1] - last[1]);
    } else {
      this.pan(spot[0] - last[0], spot[1] - last[1]);
    }
    this.pointers.set(event.pointerId, spot);
  }

  pinch(id, last, spot) {
    const [, other] = [...this.pointers].find(([number]) => number !== id);
    const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
    const after = Math.hypot(spot[0] - other[0], spot[1] - other[1]);
    this.pan((spot[0] - last[0]) / 2, (spot[1] - last[1]) / 2);
    if (before > 0) this.zoom(after / before, (spot[0] + other[0]) / 2, (spot[1] + other[1]) / 2);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const path = this.path;
    this.path = null;
    if (event.type === "pointercancel") return this.draw(true);
    if (path && path.length > 2) {
      this.on.lasso(this.inside(path));
      this.draw(true);
    } else if (this.still0) {
      const touch = event.pointerType !== "mouse";
      this.on.pick(this.nearest(...this.still0, touch ? 2 * REACH : REACH), ...this.still0, touch);
    }
    this.still0 = null;
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 400 : 1;
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) * 0.0018), ...this.spot(event));
  }

  key(event) {
    const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const [across, down] = steps[event.key];
      if (this.dimensions === 3) this.rotate(across / 3, down / 3);
      else this.pan(across, down);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "Home" || event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }
}

// The numbers 0 to count-1 in an order that looks random and is always the same.
function shuffled(count) {
  const order = new Uint32Array(count);
  let seed = 20;
  for (let i = 0; i < count; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((seed / 4294967296) * (i + 1));
    order[i] = order[other];
    order[other] = i;
  }
  return order;
}

function calm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
