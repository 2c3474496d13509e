// Draws the list of uploads and the table of files.

const UNITS = ["B", "kB", "MB", "GB"];

export function bytes(size) {
  if (size === null) {
    return "unknown";
  }
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(size, 1)) / 3));
  return `${(size / 1000 ** unit).toFixed(unit ? 1 : 0)} ${UNITS[unit]}`;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const percent = (done, total) => (total ? Math.floor((100 * done) / total) : 100);

// One upload: its way to the store, then from there to its place, and what a person can do meanwhile.
export class Row {
  #bar = element("progress", { max: 100, value: 0 });
  #buttons = element("span", { className: "buttons" });
  #state = element("span", { className: "state" });
  #name;

  constructor(file, where) {
    this.#name = file.name;
    this.#bar.setAttribute("aria-label", `Progress of ${file.name}`);
    const about = `${bytes(file.size)} by ${file.meta.method} to ${where}`;
    this.element = element(
      "li",
      {},
      element("strong", {}, file.name),
      ` ${about}`,
      this.#bar,
      this.#buttons,
      this.#state,
    );
    this.#show("preparing", "Being announced");
  }

  sent(done, total) {
    this.#bar.value = percent(done, total);
    this.#show("sending", `On its way to the store: ${bytes(done)} of ${bytes(total)}`);
  }

  paused() {
    this.#show("paused", "Paused");
  }

  carried({ bytesCarried, size, state }) {
    this.#bar.value = percent(bytesCarried, size);
    this.#show("carrying", `The gateway carries it: ${bytes(bytesCarried)} of ${bytes(size)} (${state})`);
  }

  arrived() {
    this.#bar.value = 100;
    this.#show("arrived", "Arrived");
  }

  ended(text) {
    this.#bar.value = 0;
    this.#show("ended", text);
  }

  // `actions` are [label, function] of each button; pressing one does not take the focus away when it stays.
  offer(...actions) {
    const focused = this.#buttons.contains(document.activeElement);
    this.#buttons.replaceChildren(
      ...actions.map(([label, onclick]) =>
        element("button", { ariaLabel: `${label} ${this.#name}`, onclick, type: "button" }, label),
      ),
    );
    if (focused) {
      this.#buttons.firstElementChild?.focus();
    }
  }

  #show(state, text) {
    this.element.dataset.state = state;
    this.#state.textContent = text;
  }
}

export function fileRow({ createdAt, mediaType, name, size }, download) {
  const button = element("button", { ariaLabel: `Download ${name}`, onclick: download, type: "button" }, name);
  const created = createdAt ? new Date(createdAt).toLocaleString() : "unknown";
  const cells = [button, mediaType ?? "unknown", bytes(size), created];
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}
