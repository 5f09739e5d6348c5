// What the page Ask, and every page that shows a source, do in the browser: keys, focus, scrolling, copying.
// The state is on the server; nothing here decides what is shown.

"use strict";

window.openbookAsk = (() => {
  let cameFrom = null;

  const field = () => document.querySelector(".ob-composer__field");
  const panel = () => document.querySelector(".ob-panel");
  const isOpen = () => document.querySelector(".ob-ask--open") !== null;
  const small = () => window.matchMedia("(max-width: 799px)").matches;
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const busy = () => {
    const stop = document.querySelector(".ob-composer__stop");
    return stop !== null && stop.checkVisibility();
  };

  // What was typed and not sent outlives a reload, also the one after the server was started again.
  const draft = () => `openbook-draft ${new URLSearchParams(location.search).get("library") ?? ""}`;

  function begun() {
    const area = field();
    const kept = sessionStorage.getItem(draft());
    if (!area || area.value || !kept) return;
    area.value = kept;
    grow(area);
  }

  function grow(area) {
    sessionStorage.setItem(draft(), area.value);
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 200)}px`;
  }

  function taken(area) {
    const question = area.value.trim();
    if (!question || busy()) return "";
    area.value = "";
    grow(area);
    return question;
  }

  // Enter sends; while a word is composed (Japanese, Chinese), Enter belongs to the composing.
  function typed(event, emit) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    const question = taken(event.target);
    if (question) emit(question);
  }

  function send() {
    const area = field();
    const question = area && taken(area);
    if (question) area.dispatchEvent(new CustomEvent("send", { detail: question }));
    if (area) area.focus();
  }

  function cited(event, emit) {
    const chip = event.target.closest(".ob-cite");
    if (!chip) return;
    cameFrom = chip;
    emit(Number(chip.dataset.citation ?? -1), Number(chip.dataset.number));
  }

  function opening(event, emit) {
    cameFrom = event.currentTarget;
    emit();
  }

  // The focus goes into the panel. A phone has room for nothing else, so the rest cannot be reached meanwhile.
  function opened() {
    for (const part of document.querySelectorAll(".ob-ask__column, .ob-sidebar")) part.inert = small();
    document.querySelectorAll(".ob-cite--open").forEach((chip) => chip.classList.remove("ob-cite--open"));
    if (cameFrom) cameFrom.classList.add("ob-cite--open");
    const name = document.querySelector(".ob-panel .ob-source__path");
    if (name) name.focus({ preventScroll: true });
  }

  function closed() {
    for (const part of document.querySelectorAll(".ob-ask__column, .ob-sidebar")) part.inert = false;
    document.querySelectorAll(".ob-cite--open").forEach((chip) => chip.classList.remove("ob-cite--open"));
    if (cameFrom && cameFrom.isConnected) cameFrom.focus();
    cameFrom = null;
  }

  // Scroll to what is cited; what was drawn a moment ago is laid out by the next frame.
  function reveal() {
    requestAnimationFrame(() => {
      const body = document.querySelector(".ob-panel .ob-source__body") || document.querySelector(".ob-source__body");
      if (!body) return;
      const places = body.querySelectorAll(".ob-mark--cited, .ob-page__box, .ob-mark--evidence");
      const place = [...places].find((one) => one.getClientRects().length > 0);
      if (place) place.scrollIntoView({ block: "center", inline: "nearest" });
      else body.scrollTo(0, 0);
    });
  }

  function asked(id) {
    requestAnimationFrame(() => {
      const turn = getHtmlElement(id);
      if (turn) turn.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
    });
  }

  async function copy(words, done) {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(words);
    } else {
      const area = document.createElement("textarea");
      area.value = words;
      area.style.position = "fixed";
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    Quasar.Notify.create({ message: done, timeout: 1500, position: "bottom" });
  }

  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  document.addEventListener("keydown", (event) => {
    if (document.querySelector(".q-dialog")) return;
    if (event.key === "Escape" && isOpen()) {
      event.preventDefault();
      panel().querySelector(".ob-panel__close").click();
    } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
      if (!field()) return;
      event.preventDefault();
      field().focus();
    }
  });

  return { begun, grow, typed, send, cited, opening, opened, closed, reveal, asked, copy };
})();
