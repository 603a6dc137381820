export { browserForTests } from './browser.js'
export { DevToolsError } from './devtools.js'
export { isReadable } from './every-look.js'
export { LOOKS, type Look, type Tab } from './tab.js'
