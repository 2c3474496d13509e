// Mends what GraphiQL leaves unclear to a screen reader: editors without a name, tabs that contain buttons, a button
// whose name is not what it shows. GraphiQL draws these elements anew as it likes, so an observer mends them again.

const EDITOR_NAMES = {
  ".graphiql-query-editor textarea": ["Query"],
  ".graphiql-editor-tool textarea": ["Variables", "Headers"],
  ".result-window textarea": ["Response"],
};

function nameEditors(root) {
  for (const [selector, names] of Object.entries(EDITOR_NAMES)) {
    root.querySelectorAll(selector).forEach((area, index) => area.setAttribute("aria-label", names[index] ?? names[0]));
  }
}

// What is longer than its editor has to be scrolled without a mouse, too.
function letEditorsScroll(root) {
  root.querySelectorAll('.CodeMirror-scroll[tabindex="-1"]').forEach((area) => area.setAttribute("tabindex", "0"));
}

// A tab may not contain buttons, and these contain two: a list of buttons, one of them the current, is what they are.
function flattenTabs(root) {
  root.querySelector(".graphiql-tabs")?.removeAttribute("role");
  for (const tab of root.querySelectorAll(".graphiql-tab[aria-selected]")) {
    tab.querySelector("button")?.setAttribute("aria-current", tab.getAttribute("aria-selected"));
    tab.removeAttribute("aria-selected");
    tab.removeAttribute("role");
  }
}

function nameControls(root) {
  root.querySelectorAll(".graphiql-history-item-label").forEach((button) => button.removeAttribute("aria-label"));
  root
    .querySelectorAll(".graphiql-explorer-root select:not([aria-label])")
    .forEach((select) => select.setAttribute("aria-label", "Kind of operation to add"));
}

export function keepAccessible(root) {
  const mend = () => {
    nameEditors(root);
    letEditorsScroll(root);
    flattenTabs(root);
    nameControls(root);
  };
  new MutationObserver(mend).observe(root, {
    attributeFilter: ["aria-selected"],
    attributes: true,
    childList: true,
    subtree: true,
  });
}
