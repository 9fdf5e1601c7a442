/** Whether the usual variables ask for traces (OpenTelemetry specification, "Environment Variable Specification"). */

type Environment = Readonly<Record<string, string | undefined>>

export interface Wanted {
  readonly isWanted: boolean
  /** What they ask for and do not get. */
  readonly problem?: string
}

/** An empty variable counts as one that is not set, as that specification says. */
const isSet = (value: string | undefined): boolean => value !== undefined && value !== ''

export function tracingWanted (environment: Environment): Wanted {
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return { isWanted: false }
  const exporter = environment['OTEL_TRACES_EXPORTER']
  const isSomewhere = isSet(environment['OTEL_EXPORTER_OTLP_ENDPOINT']) || isSet(environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
  const exporters = isSet(exporter) ? exporter!.split(',').map(name => name.trim()) : isSomewhere ? ['otlp'] : []
  const unknown = exporters.filter(name => name !== 'otlp' && name !== 'none')
  if (!exporters.includes('otlp')) return { isWanted: false, ...(unknown.length === 0 ? {} : { problem: `OTEL_TRACES_EXPORTER is ${exporter}, but Delgate knows otlp and none: no traces are made` }) }
  const protocol = environment['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || environment['OTEL_EXPORTER_OTLP_PROTOCOL'] || 'http/json'
  return { isWanted: true, ...(protocol.startsWith('http/') ? {} : { problem: `OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}, but Delgate sends http/json: name an endpoint that takes OTLP over HTTP, usually port 4318` }) }
}
