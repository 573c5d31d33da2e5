# Which programs of Tests/C are run everywhere: by tools/test_c.sh under each compiler and on each instruction set, and by
# tools/test_arm64.sh. A new program stands here, or has a line of its own in tools/test_c.sh, which says if it is forgotten.

# Without arguments.
plain_programs=(structs arguments binary_arguments pair_arguments partial_arguments overlaps addresses any_values rounding
    halves stack threads float_environment)
# With their list in Tests/Hashes.
list_programs=(partial pairs)
# Likewise, but with --quick where they would take minutes.
long_list_programs=(hashes binary statistics)
# Without arguments, for what does not depend on the instruction set.
text_programs=(messages numbers)
