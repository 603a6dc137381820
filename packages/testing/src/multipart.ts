// A streaming multipart/form-data parser for stand-in servers: what a strict server sees, byte by byte, in constant memory.

/** The body is not well-formed multipart/form-data; the message says what was expected and where. */
export class MultipartError extends Error {
  readonly code = 'ERR_MULTIPART'
  constructor(message: string) {
    super(`multipart/form-data: ${message}`)
    this.name = 'MultipartError'
  }
}

/** One part as it was sent. `filename` is the raw parameter: no server's file name rules are applied to it. */
export interface MultipartPart {
  /** The `name` parameter of Content-Disposition, decoded as UTF-8. */
  readonly name: string
  /** The `filename` parameter, decoded as UTF-8; undefined when the part has none, `''` when it is there and empty. */
  readonly filename: string | undefined
  /** All parameters of Content-Disposition by lower-case name: tells whether `filename*` was used. */
  readonly parameters: ReadonlyMap<string, string>
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The bytes of the part; can be iterated once. What the reader leaves is skipped before the next part comes. */
  readonly body: AsyncIterable<Buffer>
}

const HEADER_LIMIT = 16 * 1024
const CRLF2 = Buffer.from('\r\n\r\n')

/**
 * Returns the boundary of a `multipart/form-data` content type, or undefined for any other type.
 * @throws MultipartError when the boundary is missing, empty or longer than 200 characters
 */
export function multipartBoundary(contentType: string): string | undefined {
  const { value, parameters } = parseHeader(contentType)
  if (value !== 'multipart/form-data') return undefined
  const boundary = parameters.get('boundary')
  if (boundary === undefined || !/^[ -~]{0,199}[!-~]$/.test(boundary)) {
    throw new MultipartError('the content type needs a boundary of 1 to 200 printable ASCII characters')
  }
  return boundary
}

/**
 * Reads parts one after another from `source`, which is read no faster than the parts are.
 *
 * ```ts
 * for await (const part of readMultipart(request, boundary)) {
 *   for await (const chunk of part.body) hash.update(chunk)
 * }
 * ```
 * Memory is one chunk of the source plus one boundary, whatever the size of a part.
 * The source is read to its end, a text after the last boundary is ignored.
 * @throws MultipartError when the body is cut off, a part has no name, or its headers exceed 16 KiB
 */
export async function* readMultipart(
  source: AsyncIterable<Buffer>,
  boundary: string,
): AsyncGenerator<MultipartPart, void, undefined> {
  const input = new Input(source)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  for await (const _preamble of input.until(delimiter, 'the first boundary'));
  while (await hasNextPart(input)) {
    const part = openPart(await readHeaders(input), input.until(delimiter, 'the boundary that ends a part'))
    yield part
    // A reader that broke off has left the iterator where it was.
    for await (const _rest of part.body);
  }
  for await (const _epilogue of input.rest());
}

/**
 * Splits `value; a=b; c="d"` as Django does: `;` splits where the number of quotes before it is even, escaped or not
 * (`django/django:django/http/multipartparser.py`). Bytes of parameters are taken as UTF-8.
 */
function parseHeader(header: string): { value: string; parameters: Map<string, string> } {
  const [value = '', ...rest] = splitParameters(header)
  const parameters = new Map<string, string>()
  for (const item of rest) {
    const at = item.indexOf('=')
    if (at === -1) continue
    const raw = item.slice(at + 1).trim()
    const text = /^".*"$/s.test(raw) ? raw.slice(1, -1).replaceAll('\\\\', '\\').replaceAll('\\"', '"') : raw
    parameters.set(item.slice(0, at).trim().toLowerCase(), Buffer.from(text, 'latin1').toString('utf8'))
  }
  return { value: value.trim().toLowerCase(), parameters }
}

function splitParameters(header: string): string[] {
  const items: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < header.length; at++) {
    if (header[at] === '"') quoted = !quoted
    if (header[at] !== ';' || quoted) continue
    items.push(header.slice(start, at))
    start = at + 1
  }
  return [...items, header.slice(start)]
}

async function hasNextPart(input: Input): Promise<boolean> {
  const mark = (await input.take(2)).toString('latin1')
  if (mark === '--') return false
  if (mark === '\r\n') return true
  throw new MultipartError('a boundary must be followed by a line break or by "--"')
}

async function readHeaders(input: Input): Promise<Record<string, string>> {
  const first = await input.take(2)
  // A part without headers: the empty line follows the boundary line at once.
  if (first.toString('latin1') === '\r\n') return {}
  const chunks: Buffer[] = [first]
  let size = 0
  for await (const chunk of input.until(CRLF2, 'the empty line after the headers of a part')) {
    size += chunk.length
    if (size > HEADER_LIMIT) throw new MultipartError(`the headers of a part exceed ${HEADER_LIMIT} bytes`)
    chunks.push(chunk)
  }
  const headers: Record<string, string> = {}
  for (const line of Buffer.concat(chunks).toString('latin1').split('\r\n')) {
    const at = line.indexOf(':')
    if (at !== -1) headers[line.slice(0, at).trim().toLowerCase()] = line.slice(at + 1).trim()
  }
  return headers
}

function openPart(headers: Record<string, string>, bytes: AsyncGenerator<Buffer>): MultipartPart {
  const { value, parameters } = parseHeader(headers['content-disposition'] ?? '')
  const name = parameters.get('name')
  if (value !== 'form-data' || name === undefined) {
    throw new MultipartError('a part needs the header Content-Disposition: form-data; name="…"')
  }
  // Without a `return` method, `break` in the reader's loop does not end the generator.
  const body = { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) }
  return { name, filename: parameters.get('filename'), parameters, headers, body }
}

/** Bytes of the source, searched for markers that may lie across chunks. */
class Input {
  readonly #source: AsyncIterator<Buffer>
  // The first boundary may open the body without a line break before it.
  #pending: Buffer = Buffer.from('\r\n')

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async #more(expected: string): Promise<void> {
    const next = await this.#source.next()
    if (next.done) throw new MultipartError(`the body ends before ${expected}`)
    this.#pending = this.#pending.length === 0 ? next.value : Buffer.concat([this.#pending, next.value])
  }

  async take(count: number): Promise<Buffer> {
    while (this.#pending.length < count) await this.#more(`${count} bytes after a boundary`)
    const bytes = this.#pending.subarray(0, count)
    this.#pending = this.#pending.subarray(count)
    return bytes
  }

  /** Yields the bytes before `marker` and consumes the marker. At most one marker's length is searched twice. */
  async *until(marker: Buffer, expected: string): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const at = this.#pending.indexOf(marker)
      const safe = at === -1 ? Math.max(0, this.#pending.length - marker.length + 1) : at
      const bytes = this.#pending.subarray(0, safe)
      this.#pending = this.#pending.subarray(at === -1 ? safe : at + marker.length)
      if (bytes.length > 0) yield bytes
      if (at !== -1) return
      await this.#more(expected)
    }
  }

  async *rest(): AsyncGenerator<Buffer, void, undefined> {
    for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) yield next.value
  }
}
