export { ENCODER_VERSION, type PyValue, pyLiteral } from './py-literal.js'
export {
  POSTING_ORDER,
  type ResultRow,
  RowColumnsError,
  RowStore,
  type RowStoreOptions,
  STORED_BYTES_MAX,
  type Subtype,
  VALUE_CHARS_MAX,
} from './row-store.js'
