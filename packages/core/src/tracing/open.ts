// Whether there are spans at all. What makes them is loaded, and costs anything, only then.
import type { Telemetry } from '../telemetry.js'
import type { Activities } from './activity.js'
import type { TracedProcess } from './tracer.js'

/** Undefined unless the environment names a collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` or for traces alone. */
export async function openTracer(
  process: TracedProcess,
  env: Readonly<Record<string, string | undefined>>,
): Promise<(Telemetry & Activities) | undefined> {
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none'
  if (isOff || !(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)) return undefined
  const { Tracer } = await import('./tracer.js')
  return new Tracer(process, env)
}
