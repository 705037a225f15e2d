// The program `bed`: a whole Kubernetes control plane in one executable.
//
// One executable means one link and one cache entry, and the pages of its text
// are shared by all the processes made from it. This file only chooses which
// component this process is; `bed up` starts itself again once for each of them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

const usage = "usage: bed up --dir DIR | etcd | apiserver | controller-manager | scheduler | kubelet | proxy | kwok [flags of that component]"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	component := os.Args[1]
	// Every component parses os.Args itself and expects its flags from index 1.
	os.Args = append(os.Args[:1], os.Args[2:]...)

	// Feature gates and flags are globals of the process and each constructor
	// registers its own, so no other command than the chosen one is constructed.
	switch component {
	case "up":
		// The name of the file changes with its contents; this one is seen as the
		// field manager of the nodes.
		os.Args[0] = "bed"
		exitOn(up(os.Args[1:]))
	case "etcd":
		etcdmain.Main(os.Args)
	case "apiserver":
		runCommand(apiserver.NewAPIServerCommand())
	case "controller-manager":
		runCommand(controllers.NewControllerManagerCommand())
	case "scheduler":
		runCommand(scheduler.NewSchedulerCommand())
	case "kubelet":
		runCommand(kubelet.NewKubeletCommand(context.Background()))
	case "proxy":
		runCommand(proxy.NewProxyCommand())
	case "kwok":
		exitOn(runKwok())
	default:
		fmt.Fprintf(os.Stderr, "bed: unknown command %q\n%s\n", component, usage)
		os.Exit(2)
	}
}

func runCommand(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// runKwok starts kwok, the player of fake nodes and pods. Its stages come in by
// its flag --config, which it parses apart from the flags of its command.
func runKwok() error {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}

	ctx, _ := kwoklog.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		return err
	}
	command := kwok.NewCommand(ctx)
	// The flag --version of the Kubernetes components, a global of this process,
	// is of another type than the one that a command with a version looks for.
	command.Version = ""
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bed: %v\n", err)
		os.Exit(1)
	}
}
