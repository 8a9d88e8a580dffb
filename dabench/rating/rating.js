"use strict";
// The page of one rater. window.STUDY has its facts; a server or this browser keeps the answers.
(() => {
  const study = window.STUDY;
  const total = study.practice + study.images;
  const main = document.getElementById("main");
  const top = document.getElementById("top");
  const connection = document.getElementById("connection");
  const pauseButton = document.getElementById("pause");
  const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const say = text => { document.getElementById("live").textContent = text; };

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  // What this browser keeps, also through a reload.
  const key = `dabench-rating:${study.study}:${study.rater}`;
  const memory = {
    read() {
      try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return {}; }
    },
    write(value) {
      localStorage.setItem(key, JSON.stringify(value));
      if (localStorage.getItem(key) !== JSON.stringify(value)) throw new Error("This browser could not keep the answer.");
    },
    drop() {
      try { localStorage.removeItem(key); } catch { /* nothing is kept there */ }
    },
  };

  class Refused extends Error {}

  const server = {
    canKeep: () => true,
    // Try again until the server answers; the rater sees why the page waits.
    async ask(path, body) {
      for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
        try {
          const stop = new AbortController();
          const timer = setTimeout(() => stop.abort(), 15000);
          const reply = await fetch(path, body === undefined
            ? { cache: "no-store", signal: stop.signal }
            : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal: stop.signal });
          clearTimeout(timer);
          if (reply.ok) {
            const value = await reply.json();
            connection.hidden = true;
            return value;
          }
          if (reply.status < 500) throw new Refused(String(reply.status));
        } catch (error) {
          if (error instanceof Refused) throw error;
        }
        offline();
        await sleep(wait);
      }
    },
    async state() {
      const kept = memory.read().unsent;
      // The page was closed before the server confirmed an answer: send it again. The server keeps each answer once.
      if (kept) await this.ask("answer", kept).catch(() => null);
      memory.drop();
      return this.ask("state");
    },
    about: values => server.ask("about", values),
    async answer(trial) {
      try { memory.write({ unsent: trial }); } catch { /* the answer is sent again as long as this page is open */ }
      const reply = await this.ask("answer", trial);
      memory.drop();
      return reply;
    },
    source: number => `image/${number}`,
  };

  const browser = {
    canKeep() {
      try { memory.write(memory.read()); return true; } catch { return false; }
    },
    async state() {
      const kept = memory.read();
      return { next: (kept.answers || []).length, asked: !study.ask.length || Boolean(kept.about) };
    },
    async about(values) {
      memory.write({ ...memory.read(), about: values });
    },
    async answer(trial) {
      const kept = memory.read();
      const answers = kept.answers || [];
      if (trial.number === answers.length) answers.push({ ...trial, time: new Date().toISOString() });
      memory.write({ ...kept, answers });
      return { next: answers.length };
    },
    source: number => `images/${study.trials[number][0]}.png`,
  };

  const local = study.mode === "file";
  const backend = local ? browser : server;

  function offline() {
    connection.textContent = "The server does not answer. Your last answer is not lost: leave this page open. It goes on by itself.";
    connection.hidden = false;
  }

  // Screens

  function show(title, ...children) {
    top.hidden = true;
    say("");
    const heading = make("h1", { tabindex: "-1" }, title);
    main.className = "text";
    main.replaceChildren(heading, ...children);
    heading.focus();
    scrollTo(0, 0);
  }

  const paragraphs = texts => texts.map(text => make("p", null, text));

  function go(title, texts, label, ...others) {
    return new Promise(resolve => {
      const button = make("button", { type: "button", class: "main" }, label);
      button.addEventListener("click", () => resolve(), { once: true });
      show(title, ...paragraphs(texts), ...others, make("p", { class: "actions" }, button, ...download()));
    });
  }

  const images = number => `${number} ${number === 1 ? "image" : "images"}`;

  function usual() {
    const texts = [`You will see ${images(study.images)}, one after another. For each image, choose the word that describes it best.`,
      `Go by your first impression. If you are not sure, choose the word that fits best.${study.again ? " Some images are shown twice." : ""}`];
    if (study.practice && !local) texts.push(`First come ${images(study.practice)} for practice. After each, the page says which word belongs to it.`);
    if (study.practice && local) texts.push(`First come ${images(study.practice)} for practice. They do not count.`);
    return texts;
  }

  function instructions() {
    const texts = study.instructions.length ? study.instructions : usual();
    const how = make("ul", null,
      make("li", null, "Click or tap a word. On a keyboard, press the key that is shown beside it."),
      make("li", null, "Pause whenever you like: the button is at the top, or press Esc."),
      make("li", null, local
        ? "Your answers are kept in this browser, also if you close the page. At the end, download them as a file and send it back."
        : "Every answer is kept at once. If you close the page, open the same link again to go on."));
    const words = make("ul", { class: "words", "aria-label": "The words" }, ...study.words.map(word => make("li", null, word)));
    return go("Image rating", texts, "Start", how, make("h2", null, "The words"), words);
  }

  function about() {
    return new Promise(resolve => {
      const form = make("form", { novalidate: true });
      const wrong = make("p", { role: "alert", class: "wrong" });
      study.ask.forEach((question, i) => {
        const id = `ask-${i}`;
        let field;
        if (question.kind === "choice") {
          field = make("select", { id }, make("option", { value: "" }, "no answer"), ...question.choices.map(c => make("option", { value: c }, c)));
        } else {
          field = make("input", { id, type: "text", maxlength: "200", autocomplete: "off", inputmode: question.kind === "number" ? "numeric" : false });
        }
        form.append(make("label", { for: id }, question.name), field);
      });
      form.append(wrong, make("p", { class: "actions" }, make("button", { type: "submit", class: "main" }, "Continue")));
      form.addEventListener("submit", event => {
        event.preventDefault();
        const values = {};
        for (const [i, question] of study.ask.entries()) {
          const field = form.querySelector(`#ask-${i}`);
          values[question.name] = field.value.trim();
          if (question.kind === "number" && !/^[0-9]*$/.test(values[question.name])) {
            wrong.textContent = `${question.name}: write a whole number, or leave it empty.`;
            field.setAttribute("aria-invalid", "true");
            field.focus();
            return;
          }
        }
        resolve(backend.about(values));
      });
      show("About you", make("p", null, "You may leave out any of these."), form);
    });
  }

  // Trials

  // The keys of the words: their places, from 1; of digits, the digits themselves.
  const keys = study.words.every(word => /^[0-9]$/.test(word)) ? study.words : [..."1234567890"].slice(0, study.words.length);

  const loaded = new Map();

  function load(number) {
    if (!loaded.has(number)) loaded.set(number, fetchImage(number));
    return loaded.get(number);
  }

  // The next image is loaded while the rater looks at this one, and is shown when it is complete.
  async function fetchImage(number) {
    for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
      const image = new Image();
      image.src = backend.source(number);
      try {
        await image.decode();
        connection.hidden = true;
        return image;
      } catch {
        if (local) throw new Error(`${image.src} is missing. Keep all files of the folder together.`);
        if (!document.querySelector(".trial img")) offline();
        await sleep(wait);
      }
    }
  }

  function name(number) {
    return number < study.practice
      ? `Practice image ${number + 1} of ${study.practice}`
      : `Image ${number - study.practice + 1} of ${study.images}`;
  }

  function stage(number) {
    top.hidden = false;
    pauseButton.style.visibility = "visible";
    document.getElementById("count").textContent = name(number);
    const progress = document.getElementById("progress");
    const practice = number < study.practice;
    progress.max = practice ? study.practice : study.images;
    progress.value = practice ? number : number - study.practice;
    const figure = make("figure", { class: "frame" });
    const buttons = study.words.map((word, i) => {
      const digit = keys[i] || "";
      const button = make("button", { type: "button", "aria-keyshortcuts": digit || false }, make("span", null, word));
      if (digit) button.prepend(make("kbd", { "aria-hidden": "true" }, digit));
      return button;
    });
    const group = make("div", { role: "group", "aria-labelledby": "question", tabindex: "-1",
      class: "choices" }, ...buttons);
    main.className = study.words.length > 12 ? "trial many" : "trial";
    main.replaceChildren(figure, make("h1", { id: "question" }, study.question), group, make("div", { class: "below" }));
    return { figure, buttons, group };
  }

  // Milliseconds in which nobody answers an image: the second click of a double click belongs to the image before.
  const TOO_FAST = 150;

  // Return {answer, seconds, interrupted}: seconds since the image was last shown.
  async function choose(number, parts, image) {
    let since = 0;
    let interrupted = false;
    let open = false;
    const reveal = async () => {
      parts.figure.replaceChildren(image);
      await frame();
      since = performance.now();
      parts.group.focus({ preventScroll: true });
      await sleep(TOO_FAST);
      open = true;
      say(name(number));
    };
    const control = new AbortController();
    const on = (target, event, handler) => target.addEventListener(event, handler, { signal: control.signal });
    const result = await new Promise(resolve => {
      const take = (answer, at) => {
        if (!open) return;
        open = false;
        resolve({ answer, seconds: Math.max(0, at - since) / 1000, interrupted });
      };
      const pause = async () => {
        if (!open) return;
        open = false;
        interrupted = true;
        parts.figure.replaceChildren();
        await pauseHere(parts);
        reveal();
      };
      parts.buttons.forEach((button, i) => on(button, "click", event => take(i, event.timeStamp)));
      on(pauseButton, "click", pause);
      on(document, "visibilitychange", () => { if (document.hidden) interrupted = true; });
      on(document, "keydown", event => {
        if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.key === "Escape") { pause(); return; }
        if (keys.includes(event.key)) { event.preventDefault(); take(keys.indexOf(event.key), event.timeStamp); }
        moveFocus(event, parts.buttons);
      });
      reveal();
    });
    control.abort();
    parts.buttons[result.answer].classList.add("chosen");
    return result;
  }

  function moveFocus(event, buttons) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const now = buttons.indexOf(document.activeElement);
    buttons[now < 0 ? (step > 0 ? 0 : buttons.length - 1) : (now + step + buttons.length) % buttons.length].focus();
  }

  function pauseHere(parts) {
    return new Promise(resolve => {
      pauseButton.style.visibility = "hidden";
      parts.group.inert = true;
      const button = make("button", { type: "button", class: "main" }, "Continue");
      parts.figure.append(make("div", { class: "paused" }, make("p", null, "Paused"), button));
      say("Paused");
      button.addEventListener("click", () => {
        pauseButton.style.visibility = "visible";
        parts.group.inert = false;
        resolve();
      }, { once: true });
      button.focus();
    });
  }

  async function trial(number) {
    const parts = stage(number);
    const image = await load(number);
    if (image.naturalWidth < 256) image.classList.add("small");
    image.alt = name(number);
    if (number + 1 < total) load(number + 1).catch(() => null);
    const result = await choose(number, parts, image);
    const reply = await backend.answer({ number, ...result });
    loaded.delete(number);
    if (reply.right !== undefined) await feedback(parts, result.answer, reply.right);
    parts.figure.replaceChildren();
    await sleep(120); // a short blank, so that the change of images is seen
    return reply.next;
  }

  function feedback(parts, answer, right) {
    return new Promise(resolve => {
      pauseButton.style.visibility = "hidden";
      parts.group.inert = true;
      parts.buttons[right].classList.add("right");
      const text = answer === right ? `Yes: ${study.words[right]}.` : `You chose ${study.words[answer]}. The word is ${study.words[right]}.`;
      const button = make("button", { type: "button", class: "main" }, "Next");
      const verdict = make("p", { class: answer === right ? "verdict good" : "verdict" }, text);
      document.querySelector(".below").replaceChildren(verdict, button);
      say(text);
      button.addEventListener("click", () => resolve(), { once: true });
      button.focus({ preventScroll: true });
      button.scrollIntoView({ block: "nearest" });
    });
  }

  function pauseScreen(done) {
    return go("A pause", [`${soFar(done)} Rest your eyes for a moment.`], "Continue", bar(done));
  }

  const soFar = done => `${done} of ${images(study.images)} ${done === 1 ? "is" : "are"} done.`;
  const bar = done => make("progress", { max: study.images, value: done, "aria-label": "Progress" });

  function practiceOver() {
    return go("Practice is over", [`Now come ${images(study.images)}. From here on, the page does not say which word belongs to an image.`], "Start");
  }

  function end() {
    loaded.clear();
    const texts = local
      ? ["You have answered all images. Download the file with your answers, and send it back."]
      : ["You have answered all images, and every answer is kept. You can close this page."];
    show("Thank you", ...paragraphs(texts), bar(study.images), make("p", { class: "actions" }, ...download()));
  }

  // The file that a rater sends back

  const field = value => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  function table() {
    const kept = memory.read();
    const about = kept.about || {};
    const rows = (kept.answers || []).map((answer, number) => ({ ...answer, name: study.trials[number][0], kind: study.trials[number][1] }))
      .filter(row => row.kind !== "practice")
      .map(row => [study.rater, row.name, study.classes[row.answer], row.kind === "repeat" ? "yes" : "no", row.seconds.toFixed(3), row.time,
        row.interrupted ? "yes" : "no", ...study.ask.map(question => about[question.name] || "")]);
    const head = ["rater", "image", "answer", "repeat", "seconds", "time", "interrupted", ...study.ask.map(question => question.name)];
    return { rows: rows.length, text: [head, ...rows].map(row => row.map(field).join(",") + "\n").join("") };
  }

  function download() {
    if (!local) return [];
    const found = table();
    if (!found.rows) return [];
    const button = make("button", { type: "button", class: found.rows === study.images ? "main" : "quiet" }, `Download ${found.rows} answers`);
    button.addEventListener("click", () => {
      const link = make("a", { href: URL.createObjectURL(new Blob([table().text], { type: "text/csv" })), download: `${study.rater}.csv` });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    return [button];
  }

  async function run() {
    document.documentElement.dataset.rater = study.rater;
    if (!backend.canKeep()) throw new Error("This browser keeps nothing for this page, so your answers would be lost. Open it in another browser, not in a private window.");
    const state = await backend.state();
    let next = state.next;
    if (!state.asked) await about();
    if (next === 0) await instructions();
    else if (next < total && next !== study.practice) {
      const done = Math.max(0, next - study.practice);
      await go("Welcome back", [next < study.practice ? "Practice goes on." : soFar(done)], "Continue", bar(done));
    }
    for (let first = true; next < total; first = false) {
      const done = next - study.practice;
      if (done === 0 && study.practice) await practiceOver();
      else if (done > 0 && !first && done % study.pause === 0) await pauseScreen(done);
      next = await trial(next);
    }
    end();
  }

  run().catch(error => show("This page cannot go on", ...paragraphs([error instanceof Refused
    ? "The server does not know this link, or does not accept the answer. Load the page again; if this stays, tell the person who sent you the link."
    : error.message])));
})();
