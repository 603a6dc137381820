/** What undici costs besides requests. */
import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8 run WebAssembly as it was compiled first. undici parses answers by WebAssembly, and V8 takes 0.1 s and 25 MB to optimize the
 * one large function of it, which makes no answer faster. To be called before the first request; it holds for the whole process.
 */
export function spareWasmOptimizing(): void {
  for (const flag of ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering']) setFlagsFromString(flag)
}
