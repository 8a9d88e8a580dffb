// A link to a folded section, or into one, opens it.
(() => {
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    const fold = target && (target.querySelector(":scope > .fold") || target.closest(".fold"));
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
(() => {
  // Without this script each confusion matrix is a closed <details>; with it, one is chosen from a list.
  const box = document.getElementById("matrices");
  const all = box ? [...box.querySelectorAll("details")] : [];
  if (all.length < 2) return;
  const label = document.createElement("label");
  const select = document.createElement("select");
  label.append("Cell ", select);
  for (const group of new Set(all.map((d) => d.dataset.adapter))) {
    const part = document.createElement("optgroup");
    part.label = group;
    for (const d of all.filter((d) => d.dataset.adapter === group)) {
      part.append(new Option(d.firstChild.textContent.slice(group.length + 2), d.id));
    }
    select.append(part);
  }
  const show = (id) => {
    select.value = id;
    for (const d of all) d.open = d.id === id;
  };
  select.addEventListener("change", () => show(select.value));
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    const details = target && target.closest("#matrices details");
    if (!details) return;
    show(details.id);
    target.scrollIntoView({ block: "nearest" });
    target.focus({ preventScroll: true });
  });
  box.classList.add("one");
  box.prepend(label);
  show(all[0].id);
})();
