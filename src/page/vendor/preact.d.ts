/** Preact, as the build copies it beside the compiled modules: browsers resolve no package names. */
export * from 'preact'
