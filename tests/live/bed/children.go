// The component processes: started from this same executable, each with a log
// file of its own, none able to outlive the supervisor.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// children are the processes started so far; died receives the first to end.
type children struct {
	dir     string
	started []*child
	died    chan *child
}

type child struct {
	name    string
	command *exec.Cmd
	ended   chan struct{}
}

func newChildren(dir string) *children {
	return &children{dir: dir, died: make(chan *child, 16)}
}

// start runs the component `name` with these flags, its output in DIR/name.log.
func (all *children) start(name string, flags []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(all.logPath(name))
	if err != nil {
		return err
	}
	defer log.Close()

	command := exec.Command(self, append([]string{name}, flags...)...)
	command.Args[0] = processName(name)
	command.Dir = all.dir
	command.Stdout, command.Stderr = log, log
	// kwok would otherwise read a configuration out of the user's home.
	command.Env = append(os.Environ(), "HOME="+all.dir)
	// Not in our process group, so that Ctrl-C leaves the ending of them to us.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	it := &child{name: name, command: command, ended: make(chan struct{})}
	all.started = append(all.started, it)
	go func() {
		_ = command.Wait()
		close(it.ended)
		all.died <- it
	}()
	return nil
}

// processName is what a component calls itself in the API: the field manager of
// what it writes there is made from the first word of its command line.
func processName(component string) string {
	switch component {
	case "apiserver", "controller-manager", "scheduler":
		return "kube-" + component
	}
	return component
}

// unexpectedEnd is the error of a component that ended by itself.
func (all *children) unexpectedEnd(it *child) error {
	return fmt.Errorf("%s ended by itself (%s); the end of its log:\n%s",
		it.name, it.command.ProcessState, all.logTail(it.name))
}

// wait blocks until a component ends by itself or the context does.
func (all *children) wait(ctx context.Context) error {
	select {
	case it := <-all.died:
		return all.unexpectedEnd(it)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// kill ends all at once: their state is thrown away, so none needs its time.
func (all *children) kill() {
	for _, it := range all.started {
		_ = it.command.Process.Kill()
	}
	for _, it := range all.started {
		<-it.ended
	}
}

func (all *children) logPath(name string) string {
	return filepath.Join(all.dir, name+".log")
}

// logTail gives the last lines of a component's log.
func (all *children) logTail(name string) string {
	const wanted = 25
	text, err := os.ReadFile(all.logPath(name))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > wanted {
		lines = lines[len(lines)-wanted:]
	}
	return strings.Join(lines, "\n")
}
