// The part of the WebAssembly API that is used here; the types of Node 20 do not have it.
declare namespace WebAssembly {
  type Exports = Readonly<Record<string, unknown>>
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module)
    readonly exports: Exports
  }
  class Memory {
    readonly buffer: ArrayBuffer
  }
  class Global {
    readonly value: number
  }
  function validate(bytes: Uint8Array): boolean
}
