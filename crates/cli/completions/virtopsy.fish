# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_virtopsy_global_optspecs
    string join \n vmlinux= btf= debug-dir= debuginfod unpack-dir= types= no-mmap mmap force-vmlinux v/verbose q/quiet redact color= no-progress h/help V/version
end

function __fish_virtopsy_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_virtopsy_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_virtopsy_using_subcommand
    set -l cmd (__fish_virtopsy_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c virtopsy -n "__fish_virtopsy_needs_command" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -s V -l version -d 'Print version'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "check" -d 'Verdicts for one dump or a fleet'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "summary" -d 'What the results of many runs add up to'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "report" -d 'Everything about one dump, for reading'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "cpus" -d 'VMX or SVM on every CPU, with the reason'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "callback" -d 'The KVM emergency callback: pointer, function, module, and whether it was alive'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "info" -d 'What a dump is made of: format, header, pages, notes, VMCOREINFO, symbols and types'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "crashes" -d 'Why the kernel died or warned, from a dump\'s log buffer or a text log'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "splats" -d 'Lock-debugging reports in a dump\'s log buffer or in a text log'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "log" -d 'The kernel log of a dump'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "bt" -d 'Backtraces: what each CPU did, and where tasks sleep'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "tasks" -d 'All tasks: state, CPU, process ids, name'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "modules" -d 'Loaded modules: state, memory, users, taints'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "vms" -d 'Virtual machines and their virtual CPUs'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "locks" -d 'Locks that tasks hold and wait for, and lockdep\'s own state'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "peek" -d 'Read memory by name'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "layout" -d 'How a structure lies in memory: offsets, sizes, holes, cache lines'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "supports" -d 'What could be answered of a kernel, without a crash'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "extract" -d 'A small dump that holds only the memory that the answers rest on'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "open" -d 'Look around in a dump, in the terminal'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "explain" -d 'What a check or a known issue means, and what to do'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "schema" -d 'Print the JSON Schema of the results'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "completions" -d 'Print completions for a shell'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "man" -d 'Print the manual page of virtopsy or one of its commands'
complete -c virtopsy -n "__fish_virtopsy_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l format -d 'How to print the results' -r -f -a "text\t'One line for each dump'
json\t'One document'
jsonl\t'One line of JSON for each dump, then one with the summary'
junit\t'JUnit XML: one suite for each dump, one case for each check'
sarif\t'SARIF 2.1.0'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s o -l output -d 'Write the results to FILE, which appears when the run is complete' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s j -l jobs -d 'Examine N dumps at a time [default: the number of CPUs]' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l partition -d 'Examine only share I (from 0) of N, chosen by a hash of each path as given' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l select -d 'Run only these checks; they alone are printed and count for the exit status' -r -f -a "virt-disabled-all-cpus\t''
emergency-callback-sound\t''
crash-shutdown-complete\t''
no-lock-splats\t''
no-known-issues\t''
dump-complete\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l ignore -d 'Leave these checks out' -r -f -a "virt-disabled-all-cpus\t''
emergency-callback-sound\t''
crash-shutdown-complete\t''
no-lock-splats\t''
no-known-issues\t''
dump-complete\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l policy -d 'Which checks matter how much, and which known issues are tolerated until when' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l fail-on -d 'What makes the exit status 1' -r -f -a "fail\t'A failed check; an inconclusive one gives 3'
inconclusive\t'A failed or an inconclusive check'
never\t'Nothing: verdicts leave the status at 0'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l timeout -d 'Give up on a dump after so many seconds; it then counts as an error' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l memory-limit -d 'Refuse a dump more memory than SIZE, for example 512M; it then counts as an error' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l resume -d 'Take over the dumps that FILE, the JSONL of an earlier run, already has' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s 0 -l null -d 'The list on standard input is separated by NUL instead of newline'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l exit-zero -d 'Exit with 0 whatever the verdicts; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l format -d 'How to print the summary' -r -f -a "text\t'For reading'
json\t'One document'
csv\t'One row for each group'
html\t'One page with charts, which needs no other file'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -s o -l output -d 'Write the summary to FILE, which appears when it is complete' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand summary" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l exit-zero -d 'Exit with 0 whatever the verdicts; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l explain -d 'Tell how CPU N came to its state: all evidence, in the order of events' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l exit-zero -d 'Exit with 0 whatever the verdict; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand cpus" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l exit-zero -d 'Exit with 0 whatever the verdict; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand callback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l vmcoreinfo -d 'Show VMCOREINFO line by line'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l log -d 'A text log instead (serial console, dmesg, journal, /dev/kmsg); `-` is standard input' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'
jsonl\t'One line of JSON for each entry'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l exit-zero -d 'Exit with 0 whatever is found; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand crashes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l log -d 'A text log instead (serial console, dmesg, journal, /dev/kmsg); `-` is standard input' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'
jsonl\t'One line of JSON for each entry'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l graph -d 'Draw the cycle of each circular report instead, for Graphviz' -r -f -a "dot\t'Graphviz\' language: `dot -Tsvg` makes a picture of it'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l exit-zero -d 'Exit with 0 whatever is found; errors still give 2'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand splats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l level -d 'Only records of these levels: emerg, alert, crit, err, warn, notice, info, debug, or 0-7' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l since -d 'Only records from so many seconds after boot on' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l grep -d 'Only records whose text matches this regular expression' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l caller -d 'Only records of this caller: T and a thread\'s number, or C and a CPU\'s' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'
jsonl\t'One line of JSON for each entry'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l follow-caller -d 'Also every other record of the callers whose records were chosen'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l wall-clock -d 'Times of day instead of seconds since boot, UTC'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l decode -d 'Facility and level before each line'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l dictionary -d 'Below each record what it is about, as drivers say it: SUBSYSTEM, DEVICE'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l cpu -d 'Only this CPU; may be given several times' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l task -d 'The task with this thread id, or at this address' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l all -d 'Every CPU, and every task that was not running'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand bt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l state -d 'Only tasks in these states, by the letters of ps(1): R S D T t X Z P I' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand tasks" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand modules" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand vms" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l format -d 'How to print them' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l classes -d 'All lock classes too, with the four letters of their usage'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand locks" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l depth -d 'Levels of structures inside structures that are shown' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l elements -d 'Elements that are shown of an array without a range' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand peek" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l module -d 'The module whose types are meant: the name of one, or its file' -r
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand layout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l symbols -d 'The kernel\'s symbols beside --btf: a System.map, or the text of /proc/kallsyms' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l format -d 'How to print it' -r -f -a "text\t'For reading'
json\t'One document'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand supports" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -s o -l output -d 'The file to write; a directory for several dumps' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l for -d 'What the extract must be able to answer' -r -f -a "check\t'The verdict, the callback, the checks and the reports in the log'
report\t'The kernel log and what each CPU did, too'
all\t'Every listing: tasks, modules, locks, virtual machines, all backtraces'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l compress -d 'How its pages are packed' -r -f -a "zlib\t'Read by every program that reads kdump files'
zstd\t'Read by makedumpfile 1.7 and crash 8 or later'
none\t'Not packed, for an archive that packs better'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l force -d 'Write over a file that is there'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand extract" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l theme -d 'Colours [default: dark, or what the configuration file says]' -r -f -a "dark\t'For a dark background'
light\t'For a light background'
mono\t'No colour: bold, dim and reversed text only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l source -d 'A folder of the kernel\'s source, for the files that `o` opens in $VISUAL or $EDITOR' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l mouse -d 'Take the mouse from the start'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand open" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l vmlinux -d 'The crashed kernel\'s vmlinux, or a directory that holds it and its modules' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l btf -d 'Types of the crashed kernel: a BTF file, an archive of them, or a directory' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l debug-dir -d 'A tree to search for debug files by build-id; may be given several times' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l unpack-dir -d 'Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]' -r -F
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l types -d 'Where structure layouts may come from' -r -f -a "auto\t'BTF of the vmlinux, else BTF in the dump, else the vmlinux\'s DWARF'
btf\t'BTF only'
dwarf\t'DWARF only'"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l color -d 'When to use colour; NO_COLOR in the environment turns `auto` off' -r -f -a "auto\t'On a terminal'
always\t''
never\t''"
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l debuginfod -d 'Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l no-mmap -d 'Read files piece by piece instead of mapping them into memory; the default'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l mmap -d 'Map files into memory'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l force-vmlinux -d 'Use the vmlinux although its build-id is not the dump\'s'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -s v -l verbose -d 'Say more: every CPU\'s evidence in a report, and on standard error what was tried'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l redact -d 'Leave out host names, names of tasks, addresses and text of the log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -l no-progress -d 'Show no progress (none is shown anyway where standard error is not a terminal)'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "check" -d 'Verdicts for one dump or a fleet'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "summary" -d 'What the results of many runs add up to'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "report" -d 'Everything about one dump, for reading'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "cpus" -d 'VMX or SVM on every CPU, with the reason'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "callback" -d 'The KVM emergency callback: pointer, function, module, and whether it was alive'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "info" -d 'What a dump is made of: format, header, pages, notes, VMCOREINFO, symbols and types'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "crashes" -d 'Why the kernel died or warned, from a dump\'s log buffer or a text log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "splats" -d 'Lock-debugging reports in a dump\'s log buffer or in a text log'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "log" -d 'The kernel log of a dump'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "bt" -d 'Backtraces: what each CPU did, and where tasks sleep'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "tasks" -d 'All tasks: state, CPU, process ids, name'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "modules" -d 'Loaded modules: state, memory, users, taints'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "vms" -d 'Virtual machines and their virtual CPUs'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "locks" -d 'Locks that tasks hold and wait for, and lockdep\'s own state'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "peek" -d 'Read memory by name'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "layout" -d 'How a structure lies in memory: offsets, sizes, holes, cache lines'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "supports" -d 'What could be answered of a kernel, without a crash'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "extract" -d 'A small dump that holds only the memory that the answers rest on'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "open" -d 'Look around in a dump, in the terminal'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "explain" -d 'What a check or a known issue means, and what to do'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "schema" -d 'Print the JSON Schema of the results'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "completions" -d 'Print completions for a shell'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "man" -d 'Print the manual page of virtopsy or one of its commands'
complete -c virtopsy -n "__fish_virtopsy_using_subcommand help; and not __fish_seen_subcommand_from check summary report cpus callback info crashes splats log bt tasks modules vms locks peek layout supports extract open explain schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
