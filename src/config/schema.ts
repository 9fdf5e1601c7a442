/**
 * Delgate's settings: one JSON Schema, and the type derived from it, so that the two cannot drift apart.
 * Every key has a description with its unit; a key with a `default` is always present after loading. What is `writeOnly` may
 * hold a secret, and no message repeats it.
 */
import { GLOB_PATTERN } from '../oci/glob.js'

/** Longest time that a timer of Node can wait, rounded down. Seconds. */
const LONGEST_TIMER_SECONDS = 2_000_000

/** A length of time longer than nothing; fractions are allowed. */
const seconds = { type: 'number', exclusiveMinimum: 0, maximum: LONGEST_TIMER_SECONDS } as const
/** A length of time that may be zero; fractions are allowed. */
const secondsOrZero = { type: 'number', minimum: 0, maximum: LONGEST_TIMER_SECONDS } as const
const text = { type: 'string', minLength: 1 } as const
/** Also the letters of other languages of patterns are refused: a rule with them would be about nothing. */
const globs = { type: 'array', title: 'a list of globs (* ? [a-z] within a segment, ** across; otherwise letters of names)', items: { ...text, pattern: GLOB_PATTERN }, minItems: 1 } as const
const object = { type: 'object', additionalProperties: false, default: {} } as const
const argv = { type: 'array', items: text, minItems: 1 } as const

/** One rule of protection. */
const rule = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { ...text, default: '', description: 'What refusals call it.' },
    repositories: { ...globs, default: ['**'], description: 'Globs of repository names. Default: all.' },
    tags: { ...globs, description: 'Globs of tags. Default: all of the repository, with everything in it.' },
    users: { type: 'array', items: text, default: [], description: 'Users for whom the rule does not hold. Default: none.' },
    overwrite: { type: 'boolean', default: false, description: 'Whether existing tags may be pushed anew. Default: false.' }
  }
} as const

/** Days that may be none; fractions are allowed. */
const days = { type: 'number', minimum: 0, maximum: 36_500 } as const

/** One rule of retention. */
const retentionRule = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { ...text, default: '', description: 'What plans and jobs call it.' },
    repositories: { ...globs, default: ['**'], description: 'Globs of repository names. Default: all.' },
    tags: { ...globs, default: ['**'], description: 'Globs of the tags that it is about. Default: all.' },
    keepNewest: { type: 'integer', minimum: 1, description: 'So many of these tags stay in each repository, those that were pushed last. Count. No default.' },
    keepTags: { ...globs, description: 'Globs of those that stay. No default.' },
    deleteOlderThanDays: { ...days, description: 'Those go that were pushed longer ago. Days; 0: all that nothing keeps. No default.' },
    deleteNotPulledForDays: { ...days, description: 'Those go that were neither pulled nor pushed for longer. Days. No default.' },
    deleteUntaggedAfterDays: { ...days, description: 'In these repositories, manifests go that no tag reaches and that were neither pushed nor pulled for longer. Days. No default.' }
  }
} as const

/** How Delgate reaches the registry process, and what it may do to it. */
const registry = {
  ...object,
  description: 'The registry behind Delgate.',
  properties: {
    controller: { enum: ['process', 'docker', 'command', 'none'], default: 'process', description: 'Who runs the registry: "process" (Delgate, as its child), "docker" (a container), "command" (anything else, through configured commands), "none" (nobody whom Delgate can ask for a restart; for registries that forget without one). Default: process.' },
    url: { ...text, title: 'an http:// or https:// URL without query', pattern: '^https?://[^\\s/?#]+[^\\s?#]*$', description: 'Where Delgate reaches the registry, http:// or https://. Needed by "docker", "command" and "none"; "process" chooses a free port itself. No default.' },
    config: { ...text, description: 'Path of the registry\'s own config.yml. Optional: "process" generates one, "docker" looks into the container. No default.' },
    username: { ...text, description: 'User that Delgate tells the registry to forget as, where those who delete are not known (after a crash) or may not. No default.' },
    password: { ...text, writeOnly: true, description: 'Password of that user; better in the environment than in a file. No default.' },
    redis: {
      ...object,
      description: 'For a registry that caches in Redis.',
      properties: {
        url: { ...text, description: 'Where Delgate reaches the Redis that the registry caches in: redis://[[user]:password@]host[:port][/db], or rediss://. Default: what the registry\'s own configuration says.' }
      }
    },
    tls: {
      ...object,
      description: 'TLS towards the registry, for a registry.url that begins with https://.',
      properties: {
        ca: { ...text, description: 'Path of a PEM file with the authorities that the registry\'s certificate may come from, instead of those that Node brings along. No default.' },
        certificate: { ...text, description: 'Path of a PEM file with the certificate that Delgate shows to the registry (mutual TLS). Needs registry.tls.key. No default.' },
        key: { ...text, description: 'Path of a PEM file with the key of that certificate, without a passphrase. No default.' }
      }
    },
    readyTimeoutSeconds: { ...seconds, default: 60, description: 'How long a started registry may take until it answers. Seconds. Default: 60.' },
    process: {
      ...object,
      description: 'For the controller "process".',
      properties: {
        binary: { ...text, description: 'The registry\'s program: a path, or a name to look up on the PATH. Default: registry, then docker-registry.' },
        stopTimeoutSeconds: { ...seconds, default: 30, description: 'How long the registry may take to finish its requests after SIGTERM, before SIGKILL. Seconds. Default: 30.' }
      }
    },
    docker: {
      ...object,
      description: 'For the controller "docker": one of container, label or service says which container.',
      properties: {
        socket: { ...text, description: 'The Docker Engine: path of its socket, or tcp://host:port. Default: DOCKER_HOST, else /var/run/docker.sock.' },
        container: { ...text, description: 'Name or id of the registry\'s container. No default.' },
        label: { ...text, description: 'Label of the registry\'s container, "name" or "name=value". No default.' },
        service: { ...text, description: 'Compose service of the registry. No default.' },
        project: { ...text, description: 'Compose project that the service belongs to, when several have one of that name. No default.' },
        stopTimeoutSeconds: { ...seconds, default: 10, description: 'How long the container may take to stop before the Engine kills it. Seconds. Default: 10.' }
      }
    },
    command: {
      ...object,
      description: 'For the controller "command": programs with their arguments, run without a shell.',
      properties: {
        collect: { ...argv, description: 'Runs the registry\'s garbage-collect (never with -m) and ends with 0 when that succeeded. No default.' },
        restart: { ...argv, description: 'Restarts the registry and ends with 0 when that succeeded. No default.' }
      }
    }
  }
} as const

/** When collections run and how they wait for traffic. */
const work = {
  collection: {
    ...object,
    description: 'Collections: removing the blobs that deletions left unused.',
    properties: {
      collector: { enum: ['auto', 'online', 'registry'], default: 'auto', description: 'Who sweeps: "online" (Delgate itself, beside running traffic), "registry" (the registry\'s own garbage-collect, with a pause); "auto" is online. Default: auto.' },
      freshness: { enum: ['auto', 'evict', 'restart'], default: 'auto', description: 'How the registry forgets what was swept: "evict" (it is told, no restart), "restart"; "auto" evicts where the registry accepts deletes or caches in Redis. Default: auto.' },
      schedule: { ...text, description: 'When everything that nothing uses is collected, as a cron expression in local time, e.g. "30 3 * * 0" (Sundays at 3:30); by request it always is. No default.' },
      uploadMaximumAgeHours: { type: 'number', minimum: 0, default: 168, description: 'Uploads that nobody has added to for this long go with such a collection. Hours. Default: 168.' },
      quietSeconds: { ...secondsOrZero, default: 1, description: 'Where the registry is restarted, a collection starts when no further deletion has arrived for this long; otherwise at once. Seconds. Default: 1.' },
      maximumDelaySeconds: { ...secondsOrZero, default: 30, description: 'A collection starts at the latest this long after the first deletion. Seconds. Default: 30.' },
      timeoutSeconds: { ...seconds, default: 3600, description: 'How long one run of garbage-collect may take. Seconds. Default: 3600.' },
      retryMinimumSeconds: { ...secondsOrZero, default: 5, description: 'Wait before the first repetition of a failed collection; it doubles each time. Seconds. Default: 5.' },
      retryMaximumSeconds: { ...secondsOrZero, default: 300, description: 'Longest wait between repetitions of a failed collection. Seconds. Default: 300.' },
      attempts: { type: 'integer', minimum: 1, default: 10, description: 'How often a collection is tried before its jobs fail. Count. Default: 10.' }
    }
  },
  hold: {
    ...object,
    description: 'Requests that wait while the registry restarts.',
    properties: {
      maximumRequests: { type: 'integer', minimum: 1, default: 1000, description: 'How many requests may wait at once; more are told to come back later. Count. Default: 1000.' },
      timeoutSeconds: { ...seconds, default: 300, description: 'How long a request may wait before it is told to come back later. Seconds. Default: 300.' }
    }
  },
  drain: {
    ...object,
    description: 'Running traffic that is let finish before the registry restarts.',
    properties: {
      timeoutSeconds: { ...secondsOrZero, default: 120, description: 'How long open push sessions are waited for. Seconds. Default: 120.' },
      sessionIdleSeconds: { ...seconds, default: 60, description: 'A push session without a request for this long counts as ended. Seconds. Default: 60.' },
      pullIdleSeconds: { ...seconds, default: 15, description: 'What a manifest lists is kept for a client that got it, until the client has it all or has made no request for this long. Seconds. Default: 15.' },
      transferTimeoutSeconds: { ...secondsOrZero, default: 120, description: 'How long running requests, downloads apart, are waited for before a restart. Seconds. Default: 120.' }
    }
  }
} as const

/** Hours that may be none; fractions are allowed. */
const hours = { type: 'number', minimum: 0, maximum: 87_600, default: 0 } as const

/** What can be undone. */
const trash = {
  trash: {
    ...object,
    description: 'Keeping what was deleted for a time, so that it can be undone.',
    properties: {
      keepFor: {
        ...object,
        description: 'How long, by kind of deletion. What is kept takes room until then.',
        properties: {
          tag: { ...hours, description: 'Deletions of a tag. Hours; 0 keeps nothing. Default: 0.' },
          manifest: { ...hours, description: 'Deletions by digest. Hours; 0 keeps nothing. Default: 0.' },
          repository: { ...hours, description: 'Deletions of all tags of a repository, of a repository, or of all. Hours; 0 keeps nothing. Default: 0.' },
          untagged: { ...hours, description: 'Manifests that no tag reaches, where a collection takes them. Hours; 0 keeps nothing. Default: 0.' }
        }
      },
      maximumBytes: { type: 'integer', minimum: 0, description: 'When more than this is kept, the oldest goes; what is more by itself is not kept. Bytes. Default: no limit.' }
    }
  }
} as const

/** What is written down about decisions, and who is told of deletions. */
const records = {
  audit: {
    ...object,
    description: 'The log of decisions: who deleted what, and what came of it.',
    properties: {
      file: { ...text, description: 'Where it is written, one JSON line for each decision; the older files beside it as .1, .2 and so on. Default: audit.jsonl in the state directory.' },
      maximumBytes: { type: 'integer', minimum: 65536, default: 16777216, description: 'A new file is begun before the current one becomes larger than this. Bytes. Default: 16777216.' },
      keepFiles: { type: 'integer', minimum: 0, maximum: 1000, default: 10, description: 'How many older files are kept. Count. Default: 10.' }
    }
  },
  notifications: {
    ...object,
    description: 'Telling others of deletions, with the registry\'s own event envelope.',
    properties: {
      endpoints: {
        type: 'array',
        default: [],
        writeOnly: true,
        description: 'Where events are posted: a list of {name, url, secret, header, timeoutSeconds}; name and url are needed, timeoutSeconds (seconds) is 10 unless said otherwise. The secret goes out in the header: as "Bearer <secret>" in Authorization, which is the default, as it is in another. In the environment and as a flag the list is JSON. Default: none.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['name', 'url'],
          properties: {
            name: { ...text, description: 'Names the endpoint in logs, and the directory of its queue.' },
            url: { ...text, description: 'Where to post, http:// or https://.' },
            secret: { ...text, description: 'Proves to the receiver that it is Delgate that asks. No default.' },
            header: { ...text, default: 'Authorization', description: 'Header that carries the secret. Default: Authorization.' },
            timeoutSeconds: { ...seconds, default: 10, description: 'How long one attempt may take. Seconds. Default: 10.' }
          }
        }
      },
      queueMaximum: { type: 'integer', minimum: 1, default: 10000, description: 'How many envelopes wait for each endpoint at most; beyond that the oldest goes. Count. Default: 10000.' },
      retryMaximumSeconds: { ...seconds, default: 300, description: 'Longest wait between attempts to deliver; the first is one second, and it doubles each time. Seconds. Default: 300.' }
    }
  }
} as const

/** The JSON Schema of everything that can be set. */
export const settingsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    listen: {
      ...object,
      description: 'Where Delgate serves.',
      properties: {
        host: { ...text, default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 or :: for all. Default: 127.0.0.1.' },
        port: { type: 'integer', minimum: 0, maximum: 65535, default: 5000, description: 'TCP port to listen on; 0 for any free one. Default: 5000.' },
        tls: {
          ...object,
          description: 'HTTPS instead of HTTP, where no proxy in front does that. Renewed files are taken without a restart.',
          properties: {
            certificate: { ...text, description: 'Path of a PEM file with the certificate, and those between it and its authority below it. Needs listen.tls.key. No default.' },
            key: { ...text, description: 'Path of a PEM file with the key of that certificate, without a passphrase. No default.' }
          }
        }
      }
    },
    log: {
      ...object,
      description: 'Delgate\'s log, JSON lines on standard output.',
      properties: {
        level: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], default: 'info', description: 'Least severe level that is written. Default: info.' }
      }
    },
    registry,
    storage: {
      ...object,
      description: 'The registry\'s storage as Delgate sees it.',
      properties: {
        root: { ...text, description: 'Directory that holds docker/registry/v2. Default: taken from the registry\'s own configuration, when Delgate sees it under the same path; ./data/registry when Delgate runs the registry with a generated configuration.' }
      }
    },
    state: {
      ...object,
      description: 'What Delgate itself remembers.',
      properties: {
        directory: { ...text, default: './data/delgate', description: 'Directory for jobs and secrets; created when missing. Default: ./data/delgate.' },
        reserveBytes: { type: 'integer', minimum: 0, default: 4_194_304, description: 'Room that is kept in the state directory, so that deletions can be recorded on a full disk; 0 for none. Bytes. Default: 4194304.' }
      }
    },
    access: {
      ...object,
      description: 'Who may delete, and use Delgate\'s own interface.',
      properties: {
        ways: { type: 'array', items: { enum: ['registry', 'htpasswd', 'none'] }, minItems: 1, default: ['registry'], description: 'Who decides; all that are named must agree: "registry" (asked with the caller\'s credentials), "htpasswd" (users of Delgate\'s own), "none" (everybody may). Default: registry.' },
        htpasswd: { ...text, description: 'File of Delgate\'s own users, as htpasswd -B writes it; read again when it changes. Needed by "htpasswd". No default.' },
        failedAttempts: { type: 'integer', minimum: 1, default: 20, description: 'So many wrong credentials from one address, then it has to wait. Count. Default: 20.' },
        failedSeconds: { ...seconds, default: 60, description: 'How long they count. Seconds. Default: 60.' }
      }
    },
    protection: {
      ...object,
      description: 'What may not be deleted, nor overwritten.',
      properties: {
        rules: { type: 'array', items: rule, default: [], description: 'Rules: name; repositories and tags (lists of globs: * within a segment, ** across; without tags, all of the repository); users for whom it does not hold; overwrite: true lets tags be pushed anew. Default: none.' }
      }
    },
    retention: {
      ...object,
      description: 'Deleting what is old, or not used any more, by rules. What any rule keeps stays, whatever another says.',
      properties: {
        rules: { type: 'array', items: retentionRule, default: [], description: 'Rules: name; repositories and tags (lists of globs: * within a segment, ** across); keepNewest (count), keepTags (globs); deleteOlderThanDays, deleteNotPulledForDays (where a rule has both, both must hold), deleteUntaggedAfterDays (days). Default: none.' },
        schedule: { ...text, description: 'When they are carried out, as a cron expression in local time, e.g. "30 4 * * *" (each day at 4:30); by request they always are. No default.' }
      }
    },
    referrers: { enum: ['purge', 'keep'], default: 'purge', description: 'What happens to signatures and other attachments of a deleted manifest: "purge" deletes them too, "keep" leaves them. Default: purge.' },
    ...work,
    upstream: {
      ...object,
      description: 'Requests that Delgate passes to the registry.',
      properties: {
        timeoutSeconds: { ...seconds, default: 900, description: 'How long the registry may be silent within one request. Seconds. Default: 900.' }
      }
    },
    limits: {
      ...object,
      description: 'Bounds on requests.',
      properties: {
        bodyBytes: { type: 'integer', minimum: 0, default: 65536, description: 'Largest body on Delgate\'s own routes; what is passed to the registry has no limit. Bytes. Default: 65536.' },
        manifestSeconds: { ...seconds, default: 60, description: 'How long a client may take to send a manifest; deletions in its repository wait for it. Seconds. Default: 60.' },
        headerBytes: { type: 'integer', minimum: 1024, default: 16384, description: 'Largest request head: request line and all headers. Bytes. Default: 16384.' },
        connections: { type: 'integer', minimum: 1, default: 10000, description: 'How many connections of clients may be open at once; more are closed as they come. Count. Default: 10000.' },
        headSeconds: { ...seconds, default: 60, description: 'How long a client may take to send a request head: request line and all headers. Seconds. Default: 60.' },
        bodyIdleSeconds: { ...seconds, default: 300, description: 'How long a client may send nothing of a body that it has announced; how long the whole body takes has no limit. Seconds. Default: 300.' }
      }
    },
    jobs: {
      ...object,
      description: 'Records of ended jobs.',
      properties: {
        keepDays: { type: 'number', minimum: 0, default: 30, description: 'How long ended jobs are kept. Days. Default: 30.' },
        keepMaximum: { type: 'integer', minimum: 0, default: 10000, description: 'How many ended jobs are kept at most. Count. Default: 10000.' }
      }
    },
    ...trash,
    ...records,
    metrics: {
      ...object,
      description: 'Metrics for Prometheus, at /metrics. They name no repository.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Whether there are any. Default: true.' },
        access: { enum: ['open', 'interface'], default: 'open', description: 'Who may read them: "open" (everybody who reaches the port), "interface" (who may use Delgate\'s own interface). Default: open.' }
      }
    },
    page: {
      ...object,
      description: 'The page for people, at /delgate/.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Whether it is served. Default: true.' }
      }
    },
    trustProxy: {
      anyOf: [{ type: 'boolean' }, { type: 'array', items: text }],
      default: false,
      description: 'Whose X-Forwarded-For says where a request comes from: true (anyone\'s), false (nobody\'s), or a list of addresses and CIDR ranges. Default: false.'
    },
    cors: {
      ...object,
      description: 'Web user interfaces in a browser.',
      properties: {
        origins: { type: 'array', items: text, default: [], description: 'Origins that may call Delgate from a browser, e.g. https://ui.example.org. "*": any, but none that may use a login which the browser remembers. Default: none.' }
      }
    }
  }
} as const

/** The TypeScript type of what `Schema` accepts, after defaults have been filled in. */
type FromSchema<Schema> =
  Schema extends { anyOf: ReadonlyArray<infer Choice> } ? FromSchema<Choice>
    : Schema extends { enum: ReadonlyArray<infer Value> } ? Value
      : Schema extends { type: 'object', properties: infer Properties } ? FromProperties<Properties, Schema extends { required: ReadonlyArray<infer Name> } ? Name : never>
        : Schema extends { type: 'array', items: infer Item } ? ReadonlyArray<FromSchema<Item>>
          : Schema extends { type: 'string' } ? string
            : Schema extends { type: 'number' | 'integer' } ? number
              : Schema extends { type: 'boolean' } ? boolean
                : never

type FromProperties<Properties, Required> = Flat<
  { readonly [Key in keyof Properties as Key extends Required ? Key : Properties[Key] extends { default: unknown } ? Key : never]: FromSchema<Properties[Key]> } &
  { readonly [Key in keyof Properties as Key extends Required ? never : Properties[Key] extends { default: unknown } ? never : Key]?: FromSchema<Properties[Key]> }
>
type Flat<Type> = { readonly [Key in keyof Type]: Type[Key] }

/** What the schema's own defaults fill in. */
export type Filled = FromSchema<typeof settingsSchema>
/** All settings, defaults filled in; deeply frozen when they come from `loadSettings`. */
export type Settings = Filled & { readonly audit: { readonly file: string } }
