"use strict";
// Keeps a page about one thing up to date: when the server tells that it changed, what the page
// shows is asked for again, and what is different takes the place of what was there. The reader's
// place stays: scrolled parts, opened details, the focus.
(() => {
  const follows = document.body.dataset.follows;
  const LATER = 3000; // ms until the store tells what has just happened
  const main = document.getElementById("main");
  let running = false;
  let again = false;
  let later = 0;

  const key = (element) => element.dataset?.key || element.id;
  const copy = (old, fresh) => {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    for (const { name, value } of [...fresh.attributes]) {
      if (name === "open" && old.localName === "details") continue; // the reader's own choice
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };
  // Makes `old` like `fresh`, and leaves alone whatever in it is the same.
  const morph = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== fresh.nodeType || old.localName !== fresh.localName || old.localName === "svg") return old.replaceWith(fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    copy(old, fresh);
    const wanted = new Set([...fresh.children].map(key));
    for (const child of [...old.children]) if (key(child) && !wanted.has(key(child))) child.remove();
    const keyed = new Map([...old.children].filter(key).map((child) => [key(child), child]));
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const known = (child.nodeType === Node.ELEMENT_NODE && key(child) && keyed.get(key(child))) || null;
      if (known && known !== place) old.insertBefore(known, place);
      else if (!place || (!known && child.nodeType === Node.ELEMENT_NODE && key(child))) {
        old.insertBefore(child, place);
        continue;
      } else if (!known) {
        const next = place.nextSibling;
        morph(place, child);
        place = next;
        continue;
      }
      if (known === place) place = place.nextSibling;
      morph(known, child);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  };

  const ask = async () => {
    const answer = await fetch(location.pathname + location.search);
    // What is there no more says so; what cannot be told now is asked for again.
    return answer.ok || answer.status === 404 ? answer.text() : null;
  };
  const show = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = document.adoptNode(page.getElementById("main"));
    const focus = document.activeElement?.getAttribute("href");
    morph(main, fresh);
    if (focus && document.activeElement === document.body) main.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    document.title = page.title;
    window.showTimes();
  };
  const load = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    const text = await ask().catch(() => null); // the answer may break off in its midst
    running = false;
    if (text !== null) show(text);
    if (again) {
      again = false;
      load();
    } else if (text === null) soon();
  };
  const soon = () => {
    clearTimeout(later);
    // While nobody is there, the connection waits for them.
    later = setTimeout(() => (document.body.classList.contains("lost") ? soon() : load()), LATER);
  };
  const changed = () => {
    load();
    soon();
  };
  const concerns = (data) =>
    data.told?.includes(follows) ||
    Object.values(data.gone).some((ids) => ids.includes(follows)) ||
    Object.values(data.put).some((puts) => puts.some(({ id }) => id === follows));
  window.followStream({
    onState: changed,
    onChange: (data) => concerns(data) && changed(),
  });
})();
