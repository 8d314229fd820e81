"use strict";
// Keeps the board as the server says that it is.
(() => {
  const lists = new Map([...document.querySelectorAll("[data-section]")].map((list) => [list.dataset.section, list]));
  const head = document.getElementById("head");

  const element = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html; // the server escapes all that came from elsewhere
    return template.content.firstElementChild;
  };
  const find = (list, id) => [...list.children].find((each) => each.dataset.id === id) || null;

  const FOCUS = "a, [tabindex]";
  // What the reader has in an element, for what takes its place: the focus, and the place of lanes.
  const keeping = (old) => {
    const focused = [...old.querySelectorAll(FOCUS)].indexOf(document.activeElement);
    const keepPlace = window.placeOfLanes(old);
    return (fresh) => {
      keepPlace(fresh);
      const there = fresh.querySelectorAll(FOCUS);
      if (focused >= 0) (there[focused] ?? there[0])?.focus({ preventScroll: true });
    };
  };
  const put = (list, { id, html, after }) => {
    const fresh = element(html);
    const old = find(list, id);
    const before = after === null ? null : find(list, after);
    const keep = old && keeping(old);
    if (!old) fresh.classList.add("new");
    old?.remove();
    if (before) before.after(fresh);
    else list.prepend(fresh);
    keep?.(fresh);
  };
  const showHead = (data) => {
    if (head.dataset.html !== data.head) {
      head.dataset.html = data.head;
      head.innerHTML = data.head;
    }
    for (const more of document.querySelectorAll("[data-more]")) {
      const all = data.counts[more.dataset.more];
      const shown = lists.get(more.dataset.more).children.length;
      more.querySelector("[data-shown]").textContent = shown;
      more.querySelector("b").textContent = all;
      more.hidden = all <= shown;
    }
    const open = data.counts.incidents; // of which the list has the worst
    document.title = open ? `(${open}) anchorwatch` : "anchorwatch";
  };

  window.followStream({
    onState(data) {
      for (const [name, list] of lists) {
        const kept = new Map([...list.children].map((each) => [each.dataset.id, keeping(each)]));
        list.replaceChildren(...data[name].map(({ html }) => element(html)));
        for (const each of list.children) kept.get(each.dataset.id)?.(each);
      }
      showHead(data);
    },
    onChange(data) {
      for (const [name, ids] of Object.entries(data.gone)) for (const id of ids) find(lists.get(name), id)?.remove();
      for (const [name, puts] of Object.entries(data.put)) for (const each of puts) put(lists.get(name), each);
      showHead(data);
    },
  });
})();
