import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { TcpProxy, waitFor } from '@cuckoo-distributed/testing'

/** A server that sends back what it gets, behind a proxy. */
async function echoBehindProxy(t: TestContext): Promise<{ proxy: TcpProxy; atServer: Socket[] }> {
  const atServer: Socket[] = []
  const server = createServer(socket => {
    atServer.push(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = await TcpProxy.start({ port: address.port })
  t.after(() => {
    proxy.close()
    for (const socket of atServer) socket.destroy()
    server.close()
  })
  return { proxy, atServer }
}

class Client {
  received = ''
  error: NodeJS.ErrnoException | undefined
  readonly socket: Socket

  constructor(t: TestContext, port: number) {
    this.socket = createConnection({ host: '127.0.0.1', port })
    this.socket.setEncoding('utf8')
    this.socket.on('data', (text: string) => {
      this.received += text
    })
    this.socket.on('error', error => {
      this.error = error
    })
    t.after(() => this.socket.destroy())
  }

  async echo(text: string): Promise<void> {
    this.socket.write(text)
    await waitFor(() => this.received.endsWith(text), { describe: `the echo of ${text}` })
  }
}

test('bytes pass both ways and are counted', async t => {
  const { proxy } = await echoBehindProxy(t)
  const client = new Client(t, proxy.port)
  await client.echo('hello')
  assert.deepEqual([proxy.bytesUp, proxy.bytesDown, proxy.accepted, proxy.open], [5, 5, 1, 1])
  client.socket.end()
  await waitFor(() => proxy.open === 0, { describe: 'the connection to end' })
})

test('a cut resets both sides, and a new connection works', async t => {
  const { proxy, atServer } = await echoBehindProxy(t)
  const client = new Client(t, proxy.port)
  await client.echo('hello')
  proxy.cut()
  await waitFor(() => client.error?.code === 'ECONNRESET', { describe: 'a reset at the client' })
  await waitFor(() => atServer[0]?.destroyed, { describe: 'a reset at the server' })
  await new Client(t, proxy.port).echo('again')
})

test('a stalled proxy holds everything back and loses nothing', async t => {
  const { proxy } = await echoBehindProxy(t)
  const [early, other] = [new Client(t, proxy.port), new Client(t, proxy.port)]
  await early.echo('a')
  await other.echo('a')
  proxy.stall()
  early.socket.write('b')
  const late = new Client(t, proxy.port)
  late.socket.write('c')
  await waitFor(() => proxy.accepted === 3, { describe: 'the third connection' })
  assert.deepEqual([early.received, late.received], ['a', ''])
  proxy.resume()
  await waitFor(() => early.received === 'ab' && late.received === 'c', { describe: 'what was held back' })
})

test('a refusing proxy keeps open connections, and accepts on the same port afterwards', async t => {
  const { proxy } = await echoBehindProxy(t)
  const client = new Client(t, proxy.port)
  await client.echo('hello')
  proxy.refuse()
  const refused = new Client(t, proxy.port)
  await waitFor(() => refused.error?.code === 'ECONNREFUSED', { describe: 'a refused connection' })
  await client.echo('still here')
  await proxy.accept()
  await new Client(t, proxy.port).echo('again')
})

test('a half-open connection is gone for the server and silent for the client', async t => {
  const { proxy, atServer } = await echoBehindProxy(t)
  const client = new Client(t, proxy.port)
  await client.echo('hello')
  proxy.halfOpen()
  await waitFor(() => atServer[0]?.destroyed, { describe: 'the server to lose its side' })
  client.socket.write('into the void')
  await waitFor(() => proxy.bytesUp === 18, { describe: 'the bytes to leave the client' })
  assert.equal(client.received, 'hello')
  assert.equal(client.error, undefined)
  assert.equal(client.socket.readyState, 'open')
})

test('a client whose server refuses is reset', async t => {
  const { proxy: unused } = await echoBehindProxy(t)
  unused.close()
  const proxy = await TcpProxy.start({ port: unused.port })
  t.after(() => proxy.close())
  const client = new Client(t, proxy.port)
  await waitFor(() => client.error?.code === 'ECONNRESET', { describe: 'a reset at the client' })
})

test('a URL through the proxy keeps user, path and query', async t => {
  const { proxy } = await echoBehindProxy(t)
  assert.equal(
    proxy.through('amqp://me:secret@mq:5672/vhost?heartbeat=5'),
    `amqp://me:secret@127.0.0.1:${proxy.port}/vhost?heartbeat=5`,
  )
  assert.equal(proxy.through('http://cuckoo:8090'), `http://127.0.0.1:${proxy.port}`)
})
