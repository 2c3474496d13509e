// Stands in for react-style-singleton, by which an open dialog adds a style element to the page to keep the page behind
// it from scrolling. This page never scrolls, and without such elements its content security policy can forbid them.
export const styleSingleton = () => () => null;
export const styleHookSingleton = () => () => undefined;
export const stylesheetSingleton = () => ({ add: () => undefined, remove: () => undefined });
