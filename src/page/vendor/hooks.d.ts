/** Preact's hooks, as the build copies them: see preact.d.ts. */
export * from 'preact/hooks'
