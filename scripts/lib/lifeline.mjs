// Preloaded into Delgate by `npm run up`: when that script is gone without having said so (kill -9), Delgate stops too.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
