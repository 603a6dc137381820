export { type EmbeddedPage, embedPage, type PageParts } from './embed.js'
export { EventClients, type EventClientsOptions, type PageEvent } from './event-clients.js'
export { type Asked, type GuardOptions, guardPage, isPage, type Refusal } from './guard.js'
export { tokenCheck } from './token.js'
