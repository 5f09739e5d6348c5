// The parts that the map's page is made of. Content is always set as text, never as markup.

// An element with attributes and children; strings become text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function number(value) {
  return value.toLocaleString("en-US");
}

export function percent(share) {
  return `${Math.round(100 * share)}%`;
}

const PATHS = {
  lasso: "M12 4c5 0 9 2.5 9 6s-4 6-9 6-9-2.500-9-6 4-6 9-6ZM7.500 15.500c-1.500.5-2.500 1.500-2 2.800.5 1.200 2.500 1 2.500 2.700",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4M12 12h.01",
  close: "M6 6l12 12M18 6L6 18",
  warn: "M12 4 2.500 20h19L12 4ZM12 10v4.500M12 17.300v.2",
  points: "M7 8h.01M12 5h.01M16 9h.01M9 13h.01M14 15h.01M18 14h.01M6 17h.01M11 19h.01",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const attributes = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "aria-hidden": "true",
    "stroke-width": name === "points" ? "3" : "1.8", "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// A choice of one among few: radio buttons that look like one bar. `choose(value)` shows another choice.
export function segmented(label, options, chosen, changed) {
  const name = `ob-map-${label.toLowerCase()}`;
  const group = make("fieldset", { class: "ob-map__segments" }, make("legend", { class: "ob-visually-hidden" }, label));
  for (const [value, text, title] of options) {
    const radio = make("input", { type: "radio", name, value, class: "ob-visually-hidden" });
    radio.checked = value === chosen;
    radio.addEventListener("change", () => radio.checked && changed(value));
    group.append(make("label", { title }, radio, make("span", {}, text)));
  }
  group.choose = (value) => {
    for (const radio of group.querySelectorAll("input")) radio.checked = radio.value === value;
  };
  return group;
}

// Hits as a numbered list of links. `hover` hears of the one that the pointer or the focus is on.
export function chunkList(hits, { href, open, hover }) {
  return make("ol", { class: "ob-map__hits" }, ...hits.map((hit) => {
    const place = [hit.title ? hit.path : "", hit.place].filter(Boolean).join(" \u00b7 ");
    const link = make("a", { href: href(hit), class: "ob-map__hit" },
      make("strong", {}, hit.title || hit.path),
      make("span", { class: "ob-small ob-muted" }, place),
      make("span", { class: "ob-map__excerpt" }, hit.text.trim().replace(/\s+/g, " ").slice(0, 220)));
    link.addEventListener("click", (event) => open(event, hit));
    for (const name of ["pointerenter", "focus"]) link.addEventListener(name, () => hover(hit));
    for (const name of ["pointerleave", "blur"]) link.addEventListener(name, () => hover(null));
    return make("li", {}, link);
  }));
}
