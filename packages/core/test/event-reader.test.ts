// The reader of events before channels that deliver, refuse, fall silent or close when the test says so.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { ChannelModel } from 'amqplib'
import { parseBrokers } from '../src/broker/address.js'
import { EventReader } from '../src/broker/event-reader.js'
import { encodeEvent } from '../src/events.js'
import { amqpError, logOf } from './fake-broker.js'

type Take = (message: object | null) => void

/** What the channels of all connections were asked for, in order, and what becomes of the steps that begin so. */
class Journal {
  readonly steps: string[] = []
  readonly answers = new Map<string, () => Promise<void>>()
  readonly connections: JournalConnection[] = []

  readonly connect = async (): Promise<ChannelModel> => {
    const connection = new JournalConnection(this)
    this.connections.push(connection)
    return connection as unknown as ChannelModel
  }

  async step(text: string): Promise<void> {
    this.steps.push(text)
    for (const [begin, answer] of this.answers) if (text.startsWith(begin)) await answer()
  }
}

class JournalConnection extends EventEmitter {
  readonly connection = {}
  readonly channels: JournalChannel[] = []
  readonly #journal: Journal

  constructor(journal: Journal) {
    super()
    this.#journal = journal
  }

  async createChannel(): Promise<JournalChannel> {
    const channel = new JournalChannel(this.#journal)
    this.channels.push(channel)
    return channel
  }

  async close(): Promise<void> {
    await this.#journal.step('close connection')
  }
}

class JournalChannel extends EventEmitter {
  readonly #journal: Journal
  take: Take = () => assert.fail('nobody consumes')

  constructor(journal: Journal) {
    super()
    this.#journal = journal
  }

  async assertQueue(queue: string, options: object): Promise<{ queue: string }> {
    await this.#journal.step(`declare ${queue.replace(/[\da-f]{12}$/, 'OWN')} ${JSON.stringify(options)}`)
    return { queue }
  }

  async assertExchange(exchange: string, type: string, options: object): Promise<void> {
    await this.#journal.step(`exchange ${exchange} ${type} ${JSON.stringify(options)}`)
  }

  async bindQueue(queue: string, exchange: string): Promise<void> {
    await this.#journal.step(`bind ${queue.replace(/[\da-f]{12}$/, 'OWN')} ${exchange}`)
  }

  async prefetch(count: number): Promise<void> {
    await this.#journal.step(`prefetch ${count}`)
  }

  async consume(queue: string, take: Take, options = {}): Promise<void> {
    this.take = take
    await this.#journal.step(`consume ${queue.replace(/[\da-f]{12}$/, 'OWN')} ${JSON.stringify(options)}`)
  }

  ack({ tag }: { tag: number }, allUpTo: boolean): void {
    this.#say(`ack ${tag} ${allUpTo}`)
  }

  publish(exchange: string, key: string, body: Buffer): void {
    this.#say(`publish ${exchange} "${key}" ${body}`)
  }

  sendToQueue(queue: string, body: Buffer, options: object): void {
    this.#say(`send ${queue} ${body} ${JSON.stringify(options)}`)
  }

  async close(): Promise<void> {
    await this.#journal.step('close channel')
  }

  isClosed = false
  #say(text: string): void {
    if (this.isClosed) throw amqpError(504, 'Channel closed')
    void this.#journal.step(text)
  }
}

function scene(t: TestContext) {
  const clock = fakeClock(t)
  const journal = new Journal()
  const { log, lines, messages } = logOf()
  const stored: number[][] = []
  const told: string[] = []
  const replies: (((answer: Buffer) => void) | undefined)[] = []
  let storing = async () => {}
  const reader = new EventReader({
    ...{ addresses: parseBrokers('amqp://h'), name: 'r', log, connect: journal.connect, failedQueue: 'failed' },
    store: async events => {
      stored.push(events.map(({ seq }) => seq))
      await storing()
    },
    hear: (body, reply) => {
      told.push(`heard ${body}`)
      replies.push(reply)
    },
    onListening: () => void told.push('listening'),
    onLost: () => void told.push('lost'),
  })
  t.after(async () => {
    const end = reader[Symbol.asyncDispose]()
    await clock.pass(60_000)
    await end
  })
  const channel = (which: 'events' | 'calls') => {
    const found = journal.connections.at(-1)?.channels[which === 'events' ? 0 : 1]
    return found ?? assert.fail('there is no such channel')
  }
  return {
    ...{ clock, journal, lines, messages, stored, told, replies, reader, channel },
    take: (...seqs: number[]) => {
      for (const seq of seqs) channel('events').take(event(seq))
    },
    storeWith: (next: () => Promise<void>) => {
      storing = next
    },
    /** From now on; forgets what setting up took. */
    started: async () => {
      reader.start()
      await clock.pass(0)
      assert.deepEqual(told.splice(0), ['listening'])
      journal.steps.length = 0
    },
    acks: () => journal.steps.filter(step => step.startsWith('ack')),
  }
}

function event(seq: number) {
  const origin = { service: 's', instance: 'i', seq, at: 1 }
  return { tag: seq, content: encodeEvent(origin, { queue: 'q' }, { event: 'received' }) }
}

function question(replyTo?: unknown, correlationId?: unknown) {
  return { content: Buffer.from('who?'), properties: { replyTo, correlationId } }
}

test('it reads the queue of events, a thousand at a time, and is spoken to through a queue of its own that goes with it', async t => {
  const { journal, reader, clock, told } = scene(t)
  reader.start()
  reader.start()
  await clock.pass(0)
  assert.match(journal.steps[0] ?? '', /^declare failed\.events \{"durable":true,/)
  assert.deepEqual(journal.steps.slice(1), [
    'prefetch 1000',
    'consume failed.events {}',
    'exchange failed.overseers fanout {"durable":false,"autoDelete":true}',
    'declare failed.overseers.OWN {"exclusive":true,"autoDelete":true,"durable":false}',
    'bind failed.overseers.OWN failed.overseers',
    'consume failed.overseers.OWN {"noAck":true}',
  ])
  assert.deepEqual([told, journal.connections.length], [['listening'], 1])
})

test('events that come within 20 ms are stored together, and leave the queue when they are stored and not before', async t => {
  const { started, clock, take, stored, storeWith, acks } = scene(t)
  await started()
  let done = () => {}
  storeWith(
    () =>
      new Promise(resolve => {
        done = resolve
      }),
  )
  take(1, 2)
  await clock.pass(19)
  assert.deepEqual(stored, [])
  take(3)
  await clock.pass(1)
  take(4)
  await clock.pass(1000)
  assert.deepEqual([stored, acks()], [[[1, 2, 3]], []], 'calls do not overlap')
  done()
  await clock.pass(20)
  assert.deepEqual([stored, acks()], [[[1, 2, 3], [4]], ['ack 3 true']])
  done()
  await clock.pass(0)
  assert.deepEqual(acks(), ['ack 3 true', 'ack 4 true'])
  take(5)
  await clock.pass(20)
  assert.deepEqual(stored.at(-1), [5], 'after a rest it goes on')
  done()
})

test('what cannot be stored is held and stored again with what came since, a second later', async t => {
  const { started, clock, take, stored, storeWith, acks, messages } = scene(t)
  await started()
  storeWith(() => Promise.reject(new Error('disk full')))
  take(1, 2)
  await clock.pass(20)
  take(3)
  storeWith(async () => {})
  await clock.pass(999)
  assert.deepEqual([stored, acks()], [[[1, 2]], []])
  await clock.pass(1)
  await clock.pass(20)
  assert.deepEqual(
    [stored, acks()],
    [
      [
        [1, 2],
        [1, 2, 3],
      ],
      ['ack 3 true'],
    ],
  )
  assert.deepEqual(messages(), ['connected to the broker'], 'who stores says why it fails')
})

test('what is no event, or too large for one, is acknowledged and not stored', async t => {
  const { started, clock, channel, stored, acks } = scene(t)
  await started()
  const padded = (bytes: number) => Buffer.from(event(9).content.toString().padEnd(bytes))
  channel('events').take({ tag: 1, content: Buffer.from('nonsense') })
  channel('events').take({ tag: 2, content: padded(1024) })
  channel('events').take({ tag: 3, content: padded(1025) })
  await clock.pass(20)
  assert.deepEqual([stored, acks()], [[[9]], ['ack 3 true']])
})

test('a loss forgets what was taken, since another reader gets it; what is being stored is not acknowledged on the next connection', async t => {
  const { started, clock, take, journal, stored, storeWith, told, acks } = scene(t)
  await started()
  let done = () => {}
  storeWith(
    () =>
      new Promise(resolve => {
        done = resolve
      }),
  )
  const old = journal.connections[0]?.channels[0]
  take(1)
  await clock.pass(20)
  take(2)
  journal.connections[0]?.emit('close', new Error('cut'))
  await clock.pass(0)
  assert.deepEqual(told.splice(0), ['lost'])
  await clock.pass(200)
  assert.deepEqual([told, journal.connections.length], [['listening'], 2])
  old?.take(event(3))
  old?.take(null)
  take(4)
  done()
  await clock.pass(20)
  await clock.pass(1000)
  assert.deepEqual([stored, acks()], [[[1], [4]], []])
  done()
  await clock.pass(0)
  assert.deepEqual([acks(), journal.connections.length], [['ack 4 true'], 2])
})

test('what failed to be stored over a loss is not stored again', async t => {
  const { started, clock, take, journal, stored, storeWith } = scene(t)
  await started()
  let fail = () => {}
  storeWith(
    () =>
      new Promise((_, reject) => {
        fail = () => reject(new Error('disk full'))
      }),
  )
  take(1)
  await clock.pass(20)
  journal.connections[0]?.emit('close', new Error('cut'))
  await clock.pass(200)
  fail()
  await clock.pass(2000)
  take(2)
  await clock.pass(20)
  assert.deepEqual(stored, [[1], [2]])
  storeWith(async () => {})
  fail()
})

test('a queue that is deleted, or a channel that closes, is a lost connection; a channel that is no longer used is not', async t => {
  const { started, clock, journal, channel, lines, told } = scene(t)
  await started()
  const causes = () => lines.filter(({ msg }) => msg === 'lost the connection to the broker').map(({ cause }) => cause)
  channel('events').take(null)
  await clock.pass(15_000)
  channel('events').emit('close')
  await clock.pass(15_000)
  channel('calls').emit('error', new Error('why'))
  channel('calls').emit('close')
  await clock.pass(15_000)
  journal.connections[0]?.channels[0]?.emit('close')
  await clock.pass(0)
  const closed = 'the broker closed a channel of the journal'
  assert.deepEqual(causes(), ['the queue of events was deleted', closed, closed])
  assert.deepEqual(told, ['lost', 'listening', 'lost', 'listening', 'lost', 'listening'])
})

test('who asks gets an answer if it can be sent, on the channel that brought the question', async t => {
  const { started, clock, journal, channel, told, replies, reader } = scene(t)
  await started()
  reader.call(Buffer.from('all'))
  assert.deepEqual(journal.steps, ['publish failed.overseers "" all'])
  for (const bare of [question(), question('to'), question(5, 'id'), question('to', 7)]) channel('calls').take(bare)
  channel('calls').take(null)
  assert.deepEqual([told, replies], [Array(4).fill('heard who?'), Array(4).fill(undefined)])
  channel('calls').take(question('to', 'id'))
  replies[4]?.(Buffer.from('me'))
  assert.deepEqual(journal.steps.slice(1), ['send to me {"correlationId":"id"}'])
  journal.connections[0]?.emit('close', new Error('cut'))
  replies[4]?.(Buffer.from('late'))
  reader.call(Buffer.from('lost'))
  await clock.pass(200)
  replies[4]?.(Buffer.from('late'))
  assert.ok(!journal.steps.some(step => /late|lost/.test(step)))
})

test('a call on a channel that is closed already is lost, and so are those after it', async t => {
  const { started, journal, channel, reader } = scene(t)
  await started()
  channel('calls').isClosed = true
  reader.call(Buffer.from('a'))
  channel('calls').isClosed = false
  reader.call(Buffer.from('b'))
  assert.deepEqual(journal.steps, [])
})

test('an ack on a channel that is closed already ends the reading from it', async t => {
  const { started, clock, channel, take, stored, acks } = scene(t)
  await started()
  channel('events').isClosed = true
  take(1)
  await clock.pass(20)
  take(2)
  await clock.pass(2000)
  assert.deepEqual([stored, acks()], [[[1]], []])
})

for (const [begin, goesOn, line] of [
  ['declare failed.events', true, 'no events reach the journal: the broker rejects their queue'],
  ['exchange', false, 'this overseer cannot answer queries: the broker rejects their exchange or queues'],
] as const) {
  test(`a broker that refuses "${begin}" costs that alone; without an answer in 30 s the connection is given up`, async t => {
    const refused = scene(t)
    refused.journal.answers.set(begin, () => Promise.reject(amqpError(403, 'ACCESS_REFUSED')))
    refused.reader.start()
    await refused.clock.pass(0)
    assert.deepEqual(refused.messages(), [line, 'connected to the broker'])
    assert.equal(refused.lines[0]?.cause, 'ACCESS_REFUSED')
    assert.deepEqual(refused.told, goesOn ? ['listening'] : [])
    t.mock.reset()
    const silent = scene(t)
    silent.journal.answers.set(begin, () => new Promise(() => {}))
    silent.reader.start()
    await silent.clock.pass(29_999)
    assert.deepEqual([silent.messages(), silent.told], [[], []])
    await silent.clock.pass(1)
    assert.deepEqual(
      silent.lines.map(({ msg, cause }) => `${msg}: ${cause}`),
      ['cannot reach the broker; waiting for it: the broker does not answer'],
    )
  })
}

test('a start that is refused is said once, and an end before it is no trouble', async t => {
  const { clock, journal, reader, lines } = scene(t)
  journal.answers.set('prefetch', () => Promise.reject(amqpError(530, 'NOT_ALLOWED - vhost')))
  reader.start()
  await clock.pass(60_000)
  const said = lines.map(({ msg }) => msg)
  assert.deepEqual(said, ['there is no journal'])
  t.mock.reset()
  const other = scene(t)
  other.journal.answers.set('prefetch', () => new Promise(() => {}))
  other.reader.start()
  await other.clock.pass(0)
  await other.reader[Symbol.asyncDispose]()
  assert.deepEqual(other.messages(), [])
})

test('at its end what was taken is stored at once and acknowledged, and each channel is closed before the connection', async t => {
  const { started, journal, take, stored, reader, told } = scene(t)
  await started()
  take(1, 2)
  await reader[Symbol.asyncDispose]()
  assert.deepEqual(stored, [[1, 2]])
  assert.deepEqual(journal.steps, ['ack 2 true', 'close channel', 'close channel', 'close connection'])
  assert.deepEqual(told, ['lost'])
})

test('at its end what cannot be stored is left to the next reader, and a close without an answer is waited for half a second', async t => {
  const { started, clock, journal, take, stored, storeWith, acks, reader } = scene(t)
  await started()
  storeWith(() => Promise.reject(new Error('disk full')))
  journal.answers.set('close channel', () => new Promise(() => {}))
  take(1)
  let isOver = false
  const end = reader[Symbol.asyncDispose]().then(() => {
    isOver = true
  })
  await clock.pass(499)
  assert.deepEqual([stored, acks(), isOver], [[[1]], [], false])
  assert.ok(!journal.steps.includes('close connection'))
  await clock.pass(1)
  await end
  assert.ok(journal.steps.includes('close connection'))
})

test('a reader that ends before all is set up stores what it took, and ends although it cannot acknowledge it', async t => {
  const { clock, journal, reader, channel, take, stored, told, acks } = scene(t)
  journal.answers.set('exchange', () => new Promise(() => {}))
  reader.start()
  await clock.pass(0)
  channel('events').isClosed = true
  take(7)
  await reader[Symbol.asyncDispose]()
  assert.deepEqual([stored, acks(), told], [[[7]], [], ['lost']])
  assert.ok(journal.steps.includes('close connection'))
})
