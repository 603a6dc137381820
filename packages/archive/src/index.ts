export { type ArchiveEntry, type ArchiveLimits, type OpenFile, openArchive } from './archive.js'
export { ArchiveError, type ArchiveErrorCode } from './archive-error.js'
