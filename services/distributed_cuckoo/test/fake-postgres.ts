/** A server that speaks as much of PostgreSQL's protocol as the store needs (postgresql.org/docs/current/protocol-message-formats.html). */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** Rows, whose numbers are of eight bytes as PostgreSQL has them; the code of an error; or silence, or the end of the connection. */
export type Answer =
  | readonly Readonly<Record<string, string | number | boolean>>[]
  | { readonly code: string }
  | 'silence'
  | 'cut'

export interface FakePostgres {
  readonly url: string
  /** What each connection has asked for at its start. */
  readonly started: Readonly<Record<string, string>>[]
  readonly asked: string[]
  readonly open: ReadonlySet<Socket>
  /** Default: no rows. */
  answer: (sql: string) => Answer
  /** To a client that wants in; default: come in. */
  welcome: () => Answer
}

export async function fakePostgres(t: TestContext): Promise<FakePostgres> {
  const open = new Set<Socket>()
  const server = createServer(socket => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
    serve(socket, fake)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const fake: FakePostgres = {
    url: `postgres://me:secret@127.0.0.1:${port}/tasks`,
    ...{ started: [], asked: [], open, answer: () => [], welcome: () => [] },
  }
  t.after(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return fake
}

function serve(socket: Socket, fake: FakePostgres): void {
  let data = Buffer.alloc(0)
  let isStarted = false
  let prepared = ''
  const hear = (kind: string, body: Buffer): void => {
    const text = body.toString()
    if (kind === 'P') prepared = text.split('\0')[1] ?? ''
    if (kind === 'Q') tell(socket, fake, text.replace('\0', ''))
    if (kind === 'S') tell(socket, fake, prepared, 'extended')
    if (kind === 'X') socket.end()
  }
  socket.on('data', chunk => {
    data = Buffer.concat([data, chunk])
    for (;;) {
      const head = isStarted ? 1 : 0
      if (data.length < head + 4 || data.length < head + data.readInt32BE(head)) return
      const end = head + data.readInt32BE(head)
      const body = data.subarray(head + 4, end)
      if (isStarted) hear(String.fromCharCode(data[0] ?? 0), body)
      else start(socket, fake, body)
      isStarted = true
      data = data.subarray(end)
    }
  })
}

function start(socket: Socket, fake: FakePostgres, body: Buffer): void {
  const words = body.subarray(4).toString().split('\0')
  const pairs = words.flatMap((word, i) => (i % 2 === 0 && word !== '' ? [[word, words[i + 1] ?? ''] as const] : []))
  fake.started.push(Object.fromEntries(pairs))
  const answer = fake.welcome()
  if (answer === 'cut') socket.destroy()
  else if (answer !== 'silence') {
    socket.write('code' in answer ? failure(answer.code) : Buffer.concat([message('R', int32(0)), READY]))
  }
}

function tell(socket: Socket, fake: FakePostgres, sql: string, how?: 'extended'): void {
  fake.asked.push(sql)
  const answer = fake.answer(sql)
  if (answer === 'cut') socket.destroy()
  if (answer === 'cut' || answer === 'silence') return
  const begin = how === undefined ? [] : [message('1'), message('2')]
  const parts = 'code' in answer ? [failure(answer.code)] : rows(answer, sql)
  socket.write(Buffer.concat([...begin, ...parts, READY]))
}

function rows(answer: readonly Readonly<Record<string, string | number | boolean>>[], sql: string): Buffer[] {
  const columns = Object.entries(answer[0] ?? {})
  const described = columns.map(([name, value]) => {
    const type = TYPES[typeof value] ?? 0
    return Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)])
  })
  const data = answer.map(row => {
    const values = Object.values(row).map(value => Buffer.from(value === true ? 't' : String(value)))
    return message('D', int16(values.length), ...values.flatMap(value => [int32(value.length), value]))
  })
  const head = columns.length === 0 ? [] : [message('T', int16(columns.length), ...described)]
  return [...head, ...data, message('C', text(`${sql.split(' ')[0]} ${answer.length}`))]
}

function failure(code: string): Buffer {
  const fields = { S: 'ERROR', V: 'ERROR', C: code, M: 'no' }
  return message('E', ...Object.entries(fields).map(([key, value]) => text(key + value)), Buffer.alloc(1))
}

function message(kind: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(kind), int32(body.length + 4), body])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

/** Of `pg_type`. */
const TYPES: Readonly<Record<string, number>> = { number: 20, string: 25, boolean: 16 }
const READY = message('Z', Buffer.from('I'))
