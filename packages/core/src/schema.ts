// ajv, set up once, and its errors in words that name the field and say what to do.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Static, TSchema } from 'typebox'

/** A type guard made from a schema; `errors` tells why the last call said no. Defaults are filled in when asked for. */
export interface Validator<T> {
  (value: unknown): value is T
  readonly errors: readonly ErrorObject[] | null | undefined
}

/** Compiled when it is first asked: a command uses few of the schemas that its program knows. */
export function validator<S extends TSchema, T = Static<S>>(
  schema: S,
  options: { fillDefaults?: boolean } = {},
): Validator<T> {
  let compiled: ValidateFunction<T> | undefined
  const isValid = (value: unknown): value is T => {
    compiled ??= compile<T>(schema, options)
    return compiled(value)
  }
  return Object.defineProperty(Object.assign(isValid, { errors: undefined }), 'errors', { get: () => compiled?.errors })
}

function compile<T>(schema: TSchema, options: { fillDefaults?: boolean }): ValidateFunction<T> {
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: options.fillDefaults ?? false,
    strict: true,
    verbose: true,
    // Compiling the schema of schemas is half of the start of a process, and the compiler has checked ours.
    meta: false,
    validateSchema: false,
  })
  return ajv.compile<T>(schema)
}

export interface Problem {
  /** Path of the offending field, dots between names. */
  readonly field: string
  readonly problem: string
}

/** The first problem of a failed validation. */
export function firstProblem(errors: readonly ErrorObject[] | null | undefined): Problem {
  const [first] = problemsOf(errors)
  return first ?? { field: 'body', problem: 'is not valid' }
}

/** Every problem of a failed validation. Of alternatives only the verdict counts, not why each of them did not fit. */
export function problemsOf(errors: readonly ErrorObject[] | null | undefined): Problem[] {
  return (errors ?? []).filter(error => !/\/anyOf\/\d/.test(error.schemaPath)).map(describeProblem)
}

/** Puts one ajv error into words. Shows the shape of a value, never the value: it may be a secret. */
function describeProblem(error: ErrorObject): Problem {
  // A JSON pointer: `~1` is a slash in a name, `~0` a tilde.
  const at = error.instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  const field = at === '' ? 'body' : at
  switch (error.keyword) {
    case 'required': {
      const missing = String(error.params.missingProperty)
      return { field: at === '' ? missing : `${at}.${missing}`, problem: 'is missing' }
    }
    case 'additionalProperties': {
      const extra = String(error.params.additionalProperty)
      return { field: at === '' ? extra : `${at}.${extra}`, problem: 'is unknown' }
    }
    case 'minLength':
      return { field, problem: 'is empty' }
    case 'type':
      return { field, problem: `must be ${typeName(error.params.type)}, not ${kindOf(error.data)}` }
    case 'enum':
      return { field, problem: `must be one of ${list(error.params.allowedValues)}, not ${shapeOf(error.data)}` }
    case 'const':
    case 'anyOf':
      return { field, problem: `must be ${alternatives(error)}, not ${shapeOf(error.data)}` }
    default:
      return { field, problem: `${error.message ?? 'is not valid'} (it is ${shapeOf(error.data)})` }
  }
}

/** As `shapeOf`, without the value of a number: one that stands where a text belongs may be an API key without its quotes. */
function kindOf(value: unknown): string {
  return typeof value === 'number' ? 'a number' : shapeOf(value)
}

/** A value's kind and size, fit for logs. */
export function shapeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'string') return textShape(value.length)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'object' ? 'an object' : typeof value
}

function textShape(length: number): string {
  if (length === 0) return 'an empty text'
  return length === 1 ? 'a text of 1 character' : `a text of ${length} characters`
}

function alternatives(error: ErrorObject): string {
  const branches: unknown = error.parentSchema?.anyOf ?? error.schema
  if (!Array.isArray(branches)) return JSON.stringify(error.schema)
  return branches.map(branch => branchName(branch)).join(' or ')
}

function branchName(branch: unknown): string {
  if (typeof branch !== 'object' || branch === null) return String(branch)
  if ('const' in branch) return JSON.stringify(branch.const)
  return 'type' in branch ? typeName(branch.type) : 'another form'
}

const TYPE_NAMES: Record<string, string> = {
  string: 'a text',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
}

/** One: in its strict mode ajv accepts no list of types. */
function typeName(type: unknown): string {
  return TYPE_NAMES[String(type)] ?? String(type)
}

function list(values: unknown): string {
  return Array.isArray(values) ? values.map(value => JSON.stringify(value)).join(', ') : String(values)
}
