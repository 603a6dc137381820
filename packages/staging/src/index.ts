export { TmpDir } from './config.js'
export { isHalfWritten, syncDirectory, writeDurably } from './durable.js'
export { readAt, readFile, readHead, sizeOf } from './read-file.js'
export {
  type Source,
  type StagedEntry,
  type StagedFile,
  type StageOptions,
  StagingError,
  type StagingErrorCode,
  stageArchive,
  stageEntry,
} from './staging.js'
