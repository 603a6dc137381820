export { openArchive } from './archive.js'
export { ArchiveError, type ArchiveErrorCode } from './archive-error.js'
export type { ArchiveEntry, ArchiveLimits, ArchiveOptions, OpenFile } from './entry.js'
export { openZip } from './zip.js'
