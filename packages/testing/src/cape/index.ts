export type { CapeArtefacts, CapeOptions, CapeSection, CapeUser } from './options.js'
export { type CapeStandIn, startCape } from './stand-in.js'
