/** The version of the running program, which its build writes in; `development` out of one. */
export const SERVICE_VERSION = process.env.SERVICE_VERSION ?? 'development'
