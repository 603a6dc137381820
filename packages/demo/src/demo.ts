// The demo from its arguments to its exit code.
import { type DemoArguments, HELP, readArguments, UsageError } from './arguments.js'
import { type EmittedSample, emit } from './emit.js'
import { describeDumps, refuseUploads, resubmitDumped } from './fail.js'
import { present } from './present.js'
import { type End, Progress } from './progress.js'
import { type DemoSample, madeUpSamples, readSamples } from './samples.js'
import { openScene, type Scene } from './scene.js'
import { EndRequestedError, endOnSignals } from './signals.js'
import { shown } from './text.js'

const END_MS = 60_000

/** Not every sample had ended when the time of `--deadline` was over. */
export class DemoDeadlineError extends Error {
  override readonly name = 'DemoDeadlineError'
  readonly code = 'DEMO_DEADLINE'
}

/**
 * Runs the demo; `prepare` is called once the arguments are known to be right, and makes whatever is missing.
 * Resolves with the exit code: 0 every sample has arrived, 1 not all have, 2 wrong arguments, 128 + n ended by signal n.
 */
export async function runDemo(argv: readonly string[], prepare: () => Promise<void> = async () => {}): Promise<number> {
  try {
    const args = readArguments(argv)
    if (args.help) {
      process.stdout.write(HELP)
      return 0
    }
    const samples = await chooseSamples(args)
    await prepare()
    return (await play(args, samples)) ? 0 : 1
  } catch (error: unknown) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`demo: ${reason}\n`)
    if (error instanceof EndRequestedError) return error.exitCode
    return error instanceof UsageError ? 2 : 1
  }
}

/** One failure tells as much as several. */
async function chooseSamples({ files, fail }: DemoArguments): Promise<DemoSample[]> {
  if (files.length > 0) return readSamples(files)
  return fail ? madeUpSamples().slice(0, 1) : madeUpSamples()
}

async function play(args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  const end = new AbortController()
  const dispose = endOnSignals(end)
  const seconds = args.deadlineMs / 1000
  const timer = setTimeout(
    () => end.abort(new DemoDeadlineError(`not every sample has arrived within ${seconds} s, see --deadline`)),
    args.deadlineMs,
  )
  end.signal.addEventListener('abort', exitIfStuck, { once: true })
  try {
    await using scene = await openScene(args, { print: line => console.log(line), signal: end.signal })
    return args.fail ? await playFailure(scene, args, samples) : await playAll(scene, args, samples)
  } finally {
    clearTimeout(timer)
    dispose()
  }
}

/** The end in order takes seconds. What is left then is ended by the process guards. */
function exitIfStuck(): void {
  setTimeout(() => {
    process.stderr.write(`demo: could not end in order within ${END_MS / 1000} s\n`)
    process.exit(1)
  }, END_MS).unref()
}

async function playAll(scene: Scene, args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  scene.print('')
  const progress = new Progress(scene, samples)
  const emitted = await emitAll(scene, samples, progress, args)
  return conclude(scene, emitted, await progress.follow(emitted))
}

/** Each sample fails four times and is dumped; then the cause goes away and the dumps go back to work. */
async function playFailure(scene: Scene, args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  const { print, options } = scene
  const endRefusal = refuseUploads(scene)
  print('Cuckoo now refuses every sample (status 413), as behind a proxy whose limit is too low.\n')
  const progress = new Progress(scene, samples)
  const emitted = await emitAll(scene, samples, progress, args)
  await progress.follow(emitted)
  showAll(scene, emitted)
  print('\nWhat the overseer keeps (texts with samples and keys are not shown here):')
  for (const line of await describeDumps(options.dumpDir)) print(line)
  endRefusal()
  print('\nThe limit is raised; the dumps go back to work:')
  await resubmitDumped(scene)
  return conclude(scene, emitted, await progress.follow(emitted))
}

async function emitAll(
  scene: Scene,
  samples: readonly DemoSample[],
  progress: Progress,
  { crits }: DemoArguments,
): Promise<EmittedSample[]> {
  const emitted: EmittedSample[] = []
  for (const sample of samples) {
    emitted.push(await emit(scene, sample, crits))
    progress.tell(sample, 'queued')
  }
  return emitted
}

function showAll({ crits, print }: Scene, samples: readonly EmittedSample[]): void {
  for (const sample of samples) {
    print('')
    if (crits !== undefined) for (const line of present(crits, sample)) print(line)
    else print(`${shown(sample.name)}: see /samples/details/${sample.md5}/ in CRITs`)
  }
}

/** Shows what became of the samples; true when all have arrived. */
function conclude(scene: Scene, samples: readonly EmittedSample[], ends: readonly End[]): boolean {
  showAll(scene, samples)
  const arrived = ends.filter(end => end === 'arrived').length
  scene.print(`\n${arrived} of ${samples.length} samples have arrived in CRITs`)
  return arrived === samples.length
}
