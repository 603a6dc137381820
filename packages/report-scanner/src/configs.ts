// Configurations that CAPE took out of malware: kevoreilly/CAPEv2:modules/processing/CAPE.py.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { isObject, toText } from './normalise.js'
import type { ReportSink } from './sink.js'
import { UniqueValues } from './unique-values.js'
import type { Unread } from './unread.js'

/** Hashes of the files that a configuration came from stand beside it under such keys, in 2023 without the first character. */
const ASSOCIATED = /^_?associated_/

/** `CAPE.configs`: a list of objects with one family each, and what its parser found in free form. */
export function configsNode(sink: ReportSink, unread: Unread): Node {
  const seen = new UniqueValues()
  const emit = (family: string, key: string, value: string): void => {
    if (value === '') return
    // The lengths keep apart what would be the same joined.
    if (seen.add(`${family.length},${key.length},${family}${key}${value}`)) sink.onConfig?.({ family, key, value })
  }
  const container = (config: unknown): void => {
    if (!isObject(config)) return
    for (const [family, content] of Object.entries(config)) {
      if (!ASSOCIATED.test(family)) walk(content, '', (key, value) => emit(toText(family), key, value))
    }
  }
  return { array: { item: { container, ...unread.counting('configurations') } } }
}

/** Every scalar in `content`, with the keys that lead to it. Elements of a list have the key of the list. */
function walk(content: unknown, path: string, emit: (key: string, value: string) => void): void {
  if (Array.isArray(content)) for (const item of content) walk(item, path, emit)
  else if (isObject(content)) {
    for (const [key, value] of Object.entries(content)) {
      walk(value, path === '' ? toText(key) : `${path}.${toText(key)}`, emit)
    }
  } else emit(path, toText(content))
}
