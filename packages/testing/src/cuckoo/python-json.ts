/** JSON text as CPython 2 writes it: `", "` at line ends, `\uXXXX` for everything outside ASCII, floats with a point. */

/** A number that Python holds as a float: 3 is written `3.0`. */
export class PythonFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }

  toJSON(): number {
    return this.value
  }
}

/** What `json.dumps` can be given. */
export type PythonValue =
  | string
  | number
  | boolean
  | null
  | PythonFloat
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue }

export interface PythonJsonOptions {
  /** Spaces per level; 0 writes everything on one line. Default 4. */
  readonly indent?: number
  /** Sorts keys as Flask's `jsonify` does. Default false: keys stay in the order of the object. */
  readonly sortKeys?: boolean
  /** Level the text starts at, for pieces of a larger document. Default 0. */
  readonly level?: number
}

/** The text of `json.dumps(value, indent=…)` in Python 2.7. */
export function pythonJson(value: PythonValue, options: PythonJsonOptions = {}): string {
  const { indent = 4, sortKeys = false, level = 0 } = options
  if (typeof value === 'string') return pythonString(value)
  if (value instanceof PythonFloat) return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = { indent, sortKeys, level: level + 1 }
  const items = isList(value)
    ? value.map(item => pythonJson(item, inner))
    : (sortKeys ? Object.keys(value).sort() : Object.keys(value)).map(
        key => `${pythonString(key)}: ${pythonJson(value[key] ?? null, inner)}`,
      )
  const [open, close] = isList(value) ? '[]' : '{}'
  if (items.length === 0) return `${open}${close}`
  const lineBreak = (depth: number): string => (indent === 0 ? '' : `\n${' '.repeat(indent * depth)}`)
  return `${open}${lineBreak(level + 1)}${items.join(`, ${lineBreak(level + 1)}`)}${lineBreak(level)}${close}`
}

function isList(value: object): value is readonly PythonValue[] {
  return Array.isArray(value)
}

function pythonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
