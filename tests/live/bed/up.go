// `bed up`: the supervisor. It makes everything a control plane needs in one
// directory, starts the components, waits until pods can run, says READY and
// takes everything down with it when its standard input closes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// How long the control plane may take to come up on a heavily loaded machine.
const startLimit = 170 * time.Second

func up(args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	dirFlag := flags.String("dir", "", "directory for certificates, state and logs; must be new or empty, is removed at the end")
	nodes := flags.Int("nodes", 5, "number of fake nodes, worker-1 …")
	keep := flags.Bool("keep", false, "leave the directory behind at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := emptyDir(*dirFlag)
	if err != nil {
		return err
	}
	if err := prepareNetwork(); err != nil {
		return err
	}
	// A child gets its parent-death signal when the *thread* that made it ends,
	// so all children are made from one thread that lives as long as we do.
	runtime.LockOSThread()

	ctx, stop := context.WithCancelCause(context.Background())
	go stopWhenAsked(stop)

	plane := newPlane(dir)
	err = plane.start(ctx, *nodes)
	if err == nil {
		fmt.Println("READY")
		err = plane.watch(ctx)
	}
	plane.kill()
	if errors.Is(context.Cause(ctx), errAsked) {
		if !*keep {
			_ = os.RemoveAll(dir)
		}
		return nil
	}
	return err
}

// emptyDir gives the absolute path of the directory, made if it is missing.
func emptyDir(path string) (string, error) {
	if path == "" {
		return "", errors.New("up needs --dir DIR")
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	// It is removed as a whole at the end, so nothing of anyone else may be in
	// it; the log file of our own caller is the one thing that may.
	for _, entry := range entries {
		if entry.Name() != "up.log" {
			return "", fmt.Errorf("%s is not empty", dir)
		}
	}
	return dir, nil
}

var errAsked = errors.New("asked to stop")

// stopWhenAsked ends the bed on a signal or when nobody holds the other end of
// standard input any more: that is how it notices a killed test process.
func stopWhenAsked(stop context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	select {
	case <-signals:
	case <-closed:
	}
	stop(errAsked)
}
