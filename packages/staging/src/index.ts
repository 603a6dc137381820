export { TmpDir } from './config.js'
export { isHalfWritten, syncDirectory, writeDurably } from './durable.js'
export { readFile, readHead } from './read-file.js'
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
