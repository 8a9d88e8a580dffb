// Without this script the table shows all rows in the order of their tables; with it, columns sort and filters choose rows.
(() => {
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const names = heads.map((head) => head.textContent);
  const state = document.getElementById("state");
  const filters = document.getElementById("filters");
  const selects = [...filters.querySelectorAll("select")];
  const words = new Intl.Collator("en", { numeric: true });
  const value = (row, column) => {
    const found = row.cells[column].dataset.value;
    return heads[column].classList.contains("n") && found !== "" ? Number(found) : found;
  };
  let sorted = "";

  const chosen = (row, except) =>
    selects.every((s) => s === except || !s.value || value(row, names.indexOf(s.dataset.column)) === s.value);
  const show = () => {
    for (const row of rows) row.hidden = !chosen(row);
    for (const select of selects) {
      const column = names.indexOf(select.dataset.column);
      const there = new Set(rows.filter((row) => chosen(row, select)).map((row) => value(row, column)));
      for (const option of select.options) option.disabled = option.value !== "" && !there.has(option.value);
    }
    const seen = rows.filter((row) => !row.hidden).length;
    state.textContent = `${seen} of ${rows.length} rows${sorted}`;
  };
  const sort = (column) => {
    const number = heads[column].classList.contains("n");
    const now = heads[column].getAttribute("aria-sort");
    const way = now ? (now === "ascending" ? "descending" : "ascending") : number ? "descending" : "ascending";
    const sign = way === "ascending" ? 1 : -1;
    const empty = (v) => v === "" || v === "–";
    rows.sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (empty(x) || empty(y)) return empty(x) - empty(y); // rows without a value are last in both orders
      return sign * (number ? x - y : words.compare(x, y));
    });
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", way);
    body.append(...rows);
    sorted = `, sorted by ${names[column]}, ${way}`;
    show();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
  });
  for (const select of selects) {
    const column = names.indexOf(select.dataset.column);
    const found = [...new Set(rows.map((row) => value(row, column)))].sort(words.compare);
    select.append(...found.map((text) => new Option(text, text)));
    select.value = "";
    select.addEventListener("change", show);
  }
  document.getElementById("clear").addEventListener("click", () => {
    for (const select of selects) select.value = "";
    show();
  });
  filters.hidden = false;
  show();
})();
