// A process of nothing but runProcess: it waits for its stop, and fails if the configuration says so.
import { once } from 'node:events'
import Type, { type Static } from 'typebox'
import { type ProcessEnvironment, runProcess, ServiceError } from '../src/index.js'

const schema = Type.Object(
  {
    LogFile: Type.String({ default: '' }),
    LogLevel: Type.Union([Type.Literal('info'), Type.Literal('warning')], { default: 'info' }),
    DrainTime: Type.Number({ default: 0 }),
    Refused: Type.String({ default: '' }),
    Fail: Type.String({ default: '' }),
  },
  { additionalProperties: false },
)

async function say(_config: object, { log, args }: ProcessEnvironment): Promise<number> {
  log.info('not shown')
  log.warn('saying')
  process.stdout.write(`${JSON.stringify([args.words, args.to])}\n`)
  return 0
}

await runProcess<Static<typeof schema>>({
  name: 'waiting',
  summary: 'Waits.',
  schema,
  check: ({ Refused }) => (Refused === '' ? [] : [`"Refused": ${Refused}`]),
  advise: () => ['"Fail" is empty'],
  options: { fast: { type: 'boolean' }, to: { type: 'string', implies: 'fast' } },
  commands: [
    { usage: 'say <words..>', summary: 'Says words.', options: { to: { type: 'string' } }, run: say },
    {
      usage: 'count',
      summary: 'Counts.',
      commands: [{ usage: 'up', summary: 'Counts up.', run: async () => 1 }],
    },
  ],
  async run({ Fail }, { log, shutdown }) {
    if (Fail !== '') {
      log.child({ url: Fail }).child({ token: Fail }).warn('failing')
      throw new ServiceError('FAILED', Fail)
    }
    log.info('running')
    const alive = setInterval(() => {}, 60_000)
    if (!shutdown.stop.aborted) await once(shutdown.stop, 'abort')
    clearInterval(alive)
    log.info('stopped')
    return 0
  },
})
