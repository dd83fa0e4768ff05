package listeners

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/web"
)

type slackConf struct {
	URL     string          `yaml:"url,required" help:"of the webhook, a secret; empty: the listener is off"`
	Text    string          `yaml:"text" help:"the message, with Slack's markup; what happened where absent"`
	Channel string          `yaml:"channel" help:"where the webhook leaves a choice"`
	Timeout config.Duration `yaml:"timeout" default:"5s" help:"how long request and answer may take"`
}

// newSlack makes a listener that posts what api.slack.com/messaging/webhooks describes.
func newSlack(conf *slackConf, _ *catalog.Env) (batch.Listener, error) {
	if off(conf.URL) {
		return nil, nil
	}
	if err := cmp.Or(web.CheckURL(conf.URL), checkTimeout(conf.Timeout)); err != nil {
		return nil, err
	}
	body := func(n batch.Notification) ([]byte, error) {
		return json.Marshal(struct {
			Text    string `json:"text"`
			Channel string `json:"channel,omitempty"`
		}{cmp.Or(conf.Text, escaped.Replace(n.Text)), conf.Channel})
	}
	return &httpListener{url: conf.URL, method: http.MethodPost, body: body, timeout: time.Duration(conf.Timeout)}, nil
}

// escaped keeps Slack from taking parts of an error for links and mentions.
var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
