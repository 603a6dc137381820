// A process of nothing but runProcess: it waits for its stop, and fails if the configuration says so.
import { once } from 'node:events'
import Type, { type Static } from 'typebox'
import { runProcess, ServiceError } from '../src/index.js'

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

await runProcess<Static<typeof schema>>({
  name: 'waiting',
  summary: 'Waits.',
  schema,
  check: ({ Refused }) => (Refused === '' ? [] : [`"Refused": ${Refused}`]),
  advise: () => ['"Fail" is empty'],
  async run({ Fail }, { log, shutdown }) {
    if (Fail !== '') throw new ServiceError('FAILED', Fail)
    log.info('running')
    const alive = setInterval(() => {}, 60_000)
    if (!shutdown.stop.aborted) await once(shutdown.stop, 'abort')
    clearInterval(alive)
    log.info('stopped')
    return 0
  },
})
