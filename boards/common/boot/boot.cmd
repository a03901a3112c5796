# U-Boot script, found on the partition `fw` by standard boot, which sets devtype and devnum. Starts a slot, a or b.
# Partitions by their place in boards/common/image.toml: 2 bootstate, 3 boot_a, 4 boot_b.
# The state, its two copies and what its variables mean: firmware_py/headgate/linux/boot_state.py.

${devtype} dev ${devnum}
part start ${devtype} ${devnum} 2 hg_first
part size ${devtype} ${devnum} 2 hg_size
setexpr hg_second ${hg_size} / 2
setexpr hg_second ${hg_first} + ${hg_second}

# The kernel goes where U-Boot wants it, the rest behind it: its own places for the rest are 38 MiB behind on a Raspberry Pi,
# and Debian's arm64 kernel, once it is aligned to 2 MiB, reaches beyond. 64 MiB (4000000 in hexadecimal) is more than any
# that fits on boot_a can reach, and half of what the smallest board has.
setexpr hg_initrd_at ${kernel_addr_r} + 4000000
setexpr hg_tree_at ${hg_initrd_at} - 100000

# Our variables only: nothing else that stands there has a say in how U-Boot works. 200 is 512 in hexadecimal.
setenv hg_load 'env import -c ${kernel_addr_r} 200 order a_left b_left trial'
setenv hg_save 'env export -c -s 200 ${kernel_addr_r} order a_left b_left trial; ${devtype} write ${kernel_addr_r} ${hg_first} 1; ${devtype} write ${kernel_addr_r} ${hg_second} 1'

if ${devtype} read ${kernel_addr_r} ${hg_first} 1 && run hg_load; then
    echo headgate: boot state read
elif ${devtype} read ${kernel_addr_r} ${hg_second} 1 && run hg_load; then
    echo headgate: boot state read from its second copy
else
    echo headgate: no boot state, starting like a new board
    setenv order a
    setenv a_left 9
    setenv b_left 0
    setenv trial
fi

for slot in ${order}; do
    if test "${slot}" = a; then
        setenv hg_part 3
        setenv hg_left ${a_left}
    else
        setenv hg_part 4
        setenv hg_left ${b_left}
    fi
    if test "${hg_left}" -gt 0; then
        # Taken away before it starts: if it hangs, nobody is there to count.
        setexpr hg_left ${hg_left} - 1
        setenv ${slot}_left ${hg_left}
        run hg_save
        echo headgate: starting slot ${slot}, ${hg_left} starts left
        setenv hg_cmdline
        setenv hg_fdt
        if load ${devtype} ${devnum}:${hg_part} ${hg_initrd_at} boot.txt; then
            env import -t ${hg_initrd_at} ${filesize} hg_cmdline hg_fdt
        fi
        setenv bootargs "${hg_cmdline} headgate.slot=${slot} root=PARTLABEL=root_${slot} ro"
        setenv hg_tree ${fdt_addr}
        if test -n "${hg_fdt}" && load ${devtype} ${devnum}:${hg_part} ${hg_tree_at} ${hg_fdt}; then
            setenv hg_tree ${hg_tree_at}
        fi
        if load ${devtype} ${devnum}:${hg_part} ${kernel_addr_r} vmlinuz && load ${devtype} ${devnum}:${hg_part} ${hg_initrd_at} initrd; then
            # The second is the word of 32-bit U-Boots. Either returns only if what was loaded is no kernel.
            booti ${kernel_addr_r} ${hg_initrd_at}:${filesize} ${hg_tree} || bootz ${kernel_addr_r} ${hg_initrd_at}:${filesize} ${hg_tree}
        fi
        echo headgate: slot ${slot} cannot be started
    fi
done

# All have had their chances. Rather than lie dead until somebody comes: again, but not what never worked.
echo headgate: no slot came up, beginning anew
for slot in ${order}; do
    if test "${slot}" != "${trial}"; then
        setenv ${slot}_left 9
    fi
done
run hg_save
reset
