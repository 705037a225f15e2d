// The network the bed lives in: a namespace of its own that leads nowhere.
package main

import (
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"
)

// podCIDR is where the addresses of fake pods come from. The whole range is
// local to the loopback device, so a server of a test that listens on 0.0.0.0
// is reached at every pod's address and sees by its own address which one.
const podCIDR = "10.250.0.0/16"

// prepareNetwork refuses any namespace that could lead out of this machine: a
// control plane dials its nodes and pods by address, and with an uplink such a
// call would reach strangers.
func prepareNetwork() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing the network interfaces: %w", err)
	}
	for _, device := range interfaces {
		if device.Flags&net.FlagLoopback == 0 && device.Flags&net.FlagUp != 0 {
			return fmt.Errorf("refusing to start: interface %s is up; start me under `unshare -n`", device.Name)
		}
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback device: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("bringing up the loopback device: %w", err)
	}
	_, pods, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: loopback.Attrs().Index,
		Dst:       pods,
		Type:      syscall.RTN_LOCAL,
		Table:     syscall.RT_TABLE_LOCAL,
		Scope:     netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("routing %s to the loopback device: %w", podCIDR, err)
	}
	return nil
}
