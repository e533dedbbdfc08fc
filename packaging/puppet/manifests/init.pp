# Keeps the OpenSC caches of all users of a host in step with its cards. The program has to be installed.
#
# What is stale goes to the quarantine (`stalecard undo` takes it back). Where a check still finds something
# afterwards, a running program that still holds the old view included, or cannot look, the resource fails and the report says why. As long as nothing is wrong nothing
# is written: `unless` only reads, in noop mode too.
#
# @param caching
#   What OpenSC may cache, for all programs; without it opensc.conf is left alone.
# @param repair
#   Whether to move what is stale. If not, a host with something stale fails.
# @param fail_on
#   The least severity of a finding that counts.
# @param ask
#   Whether OpenSC is asked about all cards (`--ask`), which holds an idle card for some seconds in each run. If not (`--no-ask`),
#   a card that stalecard does not read itself, as an eID, makes the resource fail.
class stalecard (
  Optional[Enum['no', 'public', 'yes']] $caching = undef,
  Boolean $repair = true,
  Enum['critical', 'error', 'warning', 'info'] $fail_on = 'error',
  Boolean $ask = false,
) {
  $path = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
  $asks = $ask ? {
    true    => '--ask',
    default => '--no-ask',
  }
  $check = "stalecard check --all-users --timeout 120 ${asks} --fail-on ${fail_on}"
  $command = $repair ? {
    true    => "stalecard flush --all-users --guarded ${asks} && ${check}",
    default => $check,
  }

  exec { 'stalecard caches':
    command  => $command,
    unless   => $check,
    path     => $path,
    provider => shell,
  }

  if $caching {
    $edit = $caching ? {
      'no'    => 'stalecard config disable-cache',
      default => "stalecard config enable-cache --value ${caching}",
    }
    exec { 'stalecard caching':
      command  => $edit,
      unless   => "${edit} --dry-run --format json | grep -q '\"changes\": \\[\\]'",
      path     => $path,
      provider => shell,
    }
  }
}
